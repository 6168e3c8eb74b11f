//! How a section of a scenario is declared: one list makes the struct, its documentation and the rows of its keys.

/// Makes a struct of optional fields and the rows of its keys: `key: Type = example value in TOML`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident, $rows:ident, $prefix:literal
        { $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $example:literal, )+ }
        $( sections { $( $(#[doc = $section_doc:literal])+ $section:ident: $section_type:ty, )+ } )?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $( $(#[doc = $doc])+ #[serde(deserialize_with = "crate::scenario::given::given")] pub $field: Option<$type>, )+
            $( $( $(#[doc = $section_doc])+ pub $section: $section_type, )+ )?
        }

        pub(in crate::scenario) const $rows: &[$crate::scenario::KeyDoc] = &[
            $( $crate::scenario::KeyDoc {
                key: concat!($prefix, stringify!($field)),
                example: $example,
                doc: concat!($($doc),+).trim_ascii_start(),
            }, )+
        ];
    };
}

pub(super) use section;
