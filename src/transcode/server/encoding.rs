//! The content encoding of a request body: none, or gzip.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tonic::Status;

use crate::call::gzip::{self, GzipError};
use crate::transcode::server::refusal::{Refusal, too_large};

/// The encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

/// Returns the encoding that the headers of a request name.
///
/// # Errors
///
/// If the encoding is not gzip, or there are several: 415, with the accepted encodings in `Accept-Encoding` (RFC 9110
/// §12.5.3).
pub(crate) fn of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let mut encoding = Encoding::Identity;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii();
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            if name.is_empty() || is("identity") {
                continue;
            }
            if encoding == Encoding::Gzip || !(is("gzip") || is("x-gzip")) {
                return Err(unknown(headers));
            }
            encoding = Encoding::Gzip;
        }
    }
    Ok(encoding)
}

fn unknown(headers: &HeaderMap) -> Refusal {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    let text = format!(
        "unsupported content encoding `{}`: must be gzip or identity",
        values.join(", ")
    );
    Refusal {
        status: Status::unimplemented(text),
        http: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        header: Some((
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("gzip, identity"),
        )),
        unreadable: None,
    }
}

impl Encoding {
    /// Decodes a body. An empty body is accepted in every encoding, because some clients send the gzip header in every
    /// request.
    ///
    /// # Errors
    ///
    /// If the body is malformed, or decompresses to more than the limit.
    pub(crate) fn decode(self, body: Bytes, max_bytes: usize) -> Result<Bytes, Status> {
        if self == Self::Identity || body.is_empty() {
            return Ok(body);
        }
        match gzip::decompress(&body, max_bytes) {
            Ok(body) => Ok(body.into()),
            Err(GzipError::TooLarge) => Err(too_large(max_bytes)),
            Err(GzipError::Malformed(error)) => Err(Status::invalid_argument(format!(
                "invalid gzip body: {error}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_gzip_and_identity_are_accepted() {
        let cases: [(&[&str], Option<Encoding>); 14] = [
            (&[], Some(Encoding::Identity)),
            (&[""], Some(Encoding::Identity)),
            (&["identity"], Some(Encoding::Identity)),
            (&["Identity, identity"], Some(Encoding::Identity)),
            (&["gzip"], Some(Encoding::Gzip)),
            (&["x-gzip"], Some(Encoding::Gzip)),
            (&[" GZIP ,"], Some(Encoding::Gzip)),
            (&["identity", "gzip"], Some(Encoding::Gzip)),
            (&["gzip, gzip"], None),
            (&["gzip", "x-gzip"], None),
            (&["br"], None),
            (&["gzip, br"], None),
            (&["deflate"], None),
            (&["gzipped"], None),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_static(value);
                headers.append(header::CONTENT_ENCODING, value);
            }
            let found = of(&headers);
            if let Err(refusal) = &found {
                assert_eq!(refusal.http.as_u16(), 415);
            }
            assert_eq!(found.ok(), expected, "{values:?}");
        }
    }
}
