//! `[files]` as written.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{
        self, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

use crate::profile::{
    Cases, choices, conditional,
    shorthand::{OneOrMany, PlainOr, Scalar, Shorthand},
    written::{Asset, entry},
};

/// The keys of this kind.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct Written {
    /// Files, folders and links, by their path. A string is a file of the file store that is copied.
    #[serde(default)]
    pub files: BTreeMap<String, Cases<Shorthand<File>>>,
}

conditional!(File, stage);

entry! {
    /// A file, a folder, a link, or edits of a file.
    pub struct File {
        /// The complete content.
        pub text: Option<String>,
        /// A file that is copied. For a path that ends with `/`: files, a glob, or a folder whose content is copied.
        pub from: Option<AssetList>,
        /// Whether `${…}` is replaced in the files of `from`. Default: false.
        #[serde(default)]
        pub template: bool,
        /// Whether `from` is an archive that is unpacked, or which of its files. Default: false.
        pub unpack: Option<PlainOr<Unpack>>,
        /// The target of a symbolic link.
        pub link: Option<String>,
        /// Whether the path is a folder.
        pub dir: Option<bool>,
        /// Whether the path must not exist.
        pub absent: Option<bool>,
        /// Text between two marker lines.
        pub block: Option<OneOrSeveral<Block>>,
        /// Lines `KEY=VALUE`. A table is a section of an INI file.
        #[serde(default)]
        pub set: BTreeMap<String, PlainOr<BTreeMap<String, Scalar>>>,
        /// The separator of `set`. Default: that of the existing line, else `=`.
        pub separator: Option<String>,
        /// Lines that the file must contain.
        #[serde(default)]
        pub lines: Vec<Shorthand<Line>>,
        /// Text that is replaced everywhere in the file.
        #[serde(default)]
        pub replace: Vec<Replace>,
        /// The sign of comments in the file. Default: by the name of the file.
        pub comment: Option<String>,
        /// Its permissions, in octal or as for chmod. Default: 0644, for folders 0755. An existing path keeps its own.
        pub mode: Option<String>,
        /// Its owner, `user` or `user:group`. Default: root. An existing path keeps its own.
        pub owner: Option<String>,
        /// Whether `mode`, `owner` or `absent` applies to everything below the folder. Default: false.
        #[serde(default)]
        pub recursive: bool,
        /// Whether an existing file stays as it is. Default: false.
        #[serde(default)]
        pub keep: bool,
    } with when, optional, timeout, order, stage
}

choices!(
    /// The place of a new block.
    At, "kebab-case" {
        /// Before all lines.
        Start,
        /// After all lines.
        End,
    }
);

/// Text between two marker lines.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Block {
    /// The name in the marker lines. Default: the name of the profile.
    pub name: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// A file of the file store with the text.
    pub from: Option<Shorthand<Asset>>,
    /// The place of a new block. Default: `end`.
    pub at: Option<At>,
    /// A regular expression. A new block is above the first line that matches.
    pub above: Option<String>,
    /// A regular expression. A new block is below the first line that matches.
    pub below: Option<String>,
}

/// The files of an archive.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unpack {
    /// The number of leading folders that are removed from the paths in the archive. Default: 0.
    pub strip: Option<u8>,
    /// The names or globs of the files, without the leading folders. Default: all files.
    #[serde(default)]
    pub pick: OneOrMany<String>,
}

/// A line that the file must contain.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Line {
    /// The line.
    pub line: String,
    /// A regular expression. The last line that matches is replaced.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
}

/// Text that is replaced everywhere in the file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Replace {
    /// Literal text.
    pub find: Option<String>,
    /// A regular expression. `^` and `$` match at each line.
    pub regex: Option<String>,
    /// The text in its place. With `regex`, `$1` is the first group. An empty text removes the occurrences.
    pub with: String,
}

/// One asset, or a list of them.
#[derive(Debug, Clone)]
pub struct AssetList {
    pub(super) assets: Vec<Shorthand<Asset>>,
    /// Whether it is written as a list.
    pub(super) is_list: bool,
}

impl From<Shorthand<Asset>> for AssetList {
    fn from(asset: Shorthand<Asset>) -> Self {
        Self { assets: vec![asset], is_list: false }
    }
}

impl<'de> Deserialize<'de> for AssetList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AssetList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a table or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AssetList, E> {
                Ok(Shorthand::Short(text.to_owned()).into())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AssetList, A::Error> {
                Asset::deserialize(MapAccessDeserializer::new(map)).map(|asset| Shorthand::Long(asset).into())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<AssetList, A::Error> {
                let assets = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(AssetList { assets, is_list: true })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for AssetList {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "AssetList".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Shorthand<Asset>>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// One table, or a list of them.
#[derive(Debug, Clone)]
pub struct OneOrSeveral<T>(pub(super) Vec<T>, pub(super) bool);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrSeveral<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrSeveral<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table or a list of tables")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrSeveral(vec![one], false))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(|several| OneOrSeveral(several, true))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrSeveral<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}Tables", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}
