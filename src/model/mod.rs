//! What a model is: parameters, bytes, FLOPs.
