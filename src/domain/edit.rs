//! Changes made to a request before it is sent again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encoding_base64;
use super::request::Request;

/// What is changed of a request. Its parts are applied in the order they
/// stand here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The whole request as it shall be, from an editor.
    pub whole: Option<Request>,
    /// Another method.
    pub method: Option<String>,
    /// Another path, with the query where it has one.
    pub path: Option<String>,
    /// Another body.
    #[serde(default)]
    pub body: Option<Body>,
    /// Values set in the body: where, and what.
    pub set: Vec<(String, String)>,
    /// Fields that are removed.
    pub remove_headers: Vec<String>,
    /// Fields that are set; the first of a name replaces all there were.
    pub headers: Vec<(String, String)>,
}

/// A body that takes another's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body(#[serde(with = "encoding_base64")] pub Bytes);

impl Edit {
    /// Says whether anything is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
