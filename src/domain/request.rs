//! An HTTP request as plain data: what arrived, or what a file holds.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::encoding_base64;
use super::headers::Headers;

/// One HTTP request, its bytes untouched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method as sent, for example `POST`.
    pub method: String,
    /// The path as sent, percent-encoding untouched.
    pub path: String,
    /// What stood behind `?`, as sent; `None` where there was no `?`.
    pub query: Option<String>,
    /// The HTTP version: `1.0`, `1.1` or `2`.
    pub http_version: String,
    /// The header fields.
    pub headers: Headers,
    /// The body, after transfer coding and before anything else.
    #[serde(with = "encoding_base64")]
    pub body: Bytes,
}

impl Request {
    /// Returns path and query as they stood in the request line.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Returns the media type named by `content-type`, where it is text.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.text("content-type")
    }
}
