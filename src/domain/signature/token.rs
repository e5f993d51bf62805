//! JSON Web Tokens as signatures (RFC 7515, RFC 7519).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::domain::provider::Algorithm;

/// The claims of a token.
pub type Claims = Map<String, Value>;

/// A parsed token. Nothing about it is verified yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonWebToken {
    /// The signed part: header and claims as received, including the dot
    /// between them.
    pub signed: Vec<u8>,
    /// The signature as received.
    pub signature: Vec<u8>,
    /// The algorithm that the header names.
    pub named: String,
    /// The claims.
    pub claims: Claims,
    /// The header field that requires an extension; an unknown extension means
    /// that the token must be rejected (RFC 7515 section 4.1.11, RFC 7797
    /// section 6).
    pub extension: Option<&'static str>,
}

impl JsonWebToken {
    /// Parses a token; returns `None` if the value is not one.
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|byte| *byte == b'.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let fields = object(header)?;
        let named = fields.get("alg")?.as_str()?.to_owned();
        let unencoded = fields
            .get("b64")
            .is_some_and(|b64| *b64 != Value::Bool(true));
        let extension = if fields.contains_key("crit") {
            Some("crit")
        } else {
            unencoded.then_some("b64")
        };
        Some(Self {
            signed: value[..=header.len() + claims.len()].to_vec(),
            signature: signature.to_vec(),
            named,
            claims: object(claims)?,
            extension,
        })
    }

    /// Returns the algorithm that the header names (RFC 7518 section 3.1);
    /// `None` for unknown algorithms. `none` is not an algorithm.
    pub fn algorithm(&self) -> Option<Algorithm> {
        NAMES
            .iter()
            .find(|(name, _)| *name == self.named)
            .map(|(_, algorithm)| *algorithm)
    }

    /// Returns a claim in seconds since the Unix epoch.
    ///
    /// # Errors
    /// Returns the claim's name if its value is not a number.
    pub fn time(&self, claim: &'static str) -> Result<Option<i64>, &'static str> {
        match self.claims.get(claim) {
            None => Ok(None),
            Some(value) => value
                .as_i64()
                .or_else(|| value.as_f64().map(|number| number.floor() as i64))
                .map(Some)
                .ok_or(claim),
        }
    }
}

/// The names of algorithms in a token's header.
const NAMES: &[(&str, Algorithm)] = &[
    ("HS256", Algorithm::HmacSha256),
    ("HS384", Algorithm::HmacSha384),
    ("HS512", Algorithm::HmacSha512),
    ("ES256", Algorithm::EcdsaP256Sha256),
    ("RS256", Algorithm::RsaSha256),
    ("EdDSA", Algorithm::Ed25519),
];

/// Makes the signed part of a token; returns `None` if tokens do not support
/// the algorithm.
pub fn write(algorithm: Algorithm, claims: &Claims) -> Option<String> {
    let (name, _) = NAMES.iter().find(|(_, known)| *known == algorithm)?;
    let header = format!(r#"{{"alg":"{name}","typ":"JWT"}}"#);
    let claims = Value::Object(claims.clone()).to_string();
    Some(format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    ))
}

fn object(part: &[u8]) -> Option<Claims> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let claims: Claims = serde_json::from_str(r#"{"iss":"a","exp":12,"nbf":"x"}"#).unwrap();
        let signed = write(Algorithm::HmacSha512, &claims).unwrap();
        let token = JsonWebToken::read(format!("{signed}.c2ln").as_bytes()).unwrap();
        assert_eq!(token.signed, signed.as_bytes());
        assert_eq!(token.signature, b"c2ln");
        assert_eq!(token.algorithm(), Some(Algorithm::HmacSha512));
        assert_eq!(token.time("exp"), Ok(Some(12)));
        assert_eq!(token.time("nbf"), Err("nbf"));
        assert_eq!(token.time("iat"), Ok(None));
    }

    #[test]
    fn an_extension_in_the_header_is_noticed() {
        let extension = |header: &str| {
            let token = format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header));
            JsonWebToken::read(token.as_bytes()).unwrap().extension
        };
        for (header, expected) in [
            (r#"{"alg":"HS256","typ":"JWT","b64":true}"#, None),
            (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, Some("crit")),
            (
                r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
                Some("crit"),
            ),
            (r#"{"alg":"HS256","crit":[]}"#, Some("crit")),
            (r#"{"alg":"HS256","crit":null}"#, Some("crit")),
            (r#"{"alg":"HS256","b64":false}"#, Some("b64")),
            (r#"{"alg":"HS256","b64":"false"}"#, Some("b64")),
        ] {
            assert_eq!(extension(header), expected, "{header}");
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        for value in [
            "",
            "a.b",
            "a.b.c",
            "e30.e30.",
            "e30.e30.x.y",
            "Bearer e30.e30.x",
        ] {
            assert_eq!(JsonWebToken::read(value.as_bytes()), None, "{value}");
        }
        assert_eq!(write(Algorithm::Sha256, &Claims::new()), None);
    }
}
