//! How a receiver knows that a message is ours: as the Standard Webhooks specification has it, and as
//! the hosted platform does.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;
use crate::text::hex;

/// What such a secret begins with in the specification; the rest is base64.
const PREFIX: &str = "whsec_";

/// The keys that one secret makes.
pub(super) struct Signer {
    sha256: hmac::Key,
    sha1: hmac::Key,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// # Errors
    /// Exit code 2 where it begins as the specification's secrets do and is no base64.
    pub(super) fn new(secret: &SecretString) -> Result<Self, Error> {
        let text = secret.expose_secret();
        let bytes = match text.strip_prefix(PREFIX) {
            None => text.as_bytes().to_vec(),
            Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(|_| {
                Error::usage(format!(
                    "the secret of a webhook begins with `{PREFIX}` and is no base64 after that"
                ))
            })?,
        };
        Ok(Self {
            sha256: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            sha1: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()),
        })
    }

    /// `webhook-signature`: of the id, the time and the body.
    pub(super) fn standard(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.sha256);
        for part in [id, ".", &timestamp.to_string(), ".", body] {
            context.update(part.as_bytes());
        }
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    }

    /// `X-Hub-Signature`: of the body alone, with the secret's text as the key.
    pub(super) fn hub(&self, body: &str) -> String {
        format!("sha1={}", hex(hmac::sign(&self.sha1, body.as_bytes()).as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        let signer = Signer::new(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let signature = signer.standard(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_known_text_has_its_known_hash() {
        let signer = Signer::new(&"key".into()).unwrap();
        let signature = signer.hub("The quick brown fox jumps over the lazy dog");
        assert_eq!(signature, "sha1=de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
    }

    #[test]
    fn a_secret_that_is_spoilt_is_refused() {
        let error = Signer::new(&"whsec_%".into()).unwrap_err();
        assert!(error.full_message().contains("no base64") && !error.full_message().contains('%'));
    }
}
