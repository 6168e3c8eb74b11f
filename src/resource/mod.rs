//! Serial devices and links.
