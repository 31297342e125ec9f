//! The private keys that assertions are signed with: read from PEM, and told apart.
//!
//! PEM comes through configs and environments, which do not keep its lines: any white space, or the
//! two characters `\n`, may stand where one ends.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretSlice};

/// What a curve signs by (RFC 7518 section 3.4): each has a hash of its own.
const CURVES: [(&str, &EcdsaSigningAlgorithm); 3] = [
    ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
    ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
    ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
];

/// Tags of DER (X.690).
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NAME: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// 1.2.840.113549.1.1.1 (RFC 8017 appendix C), a key for any use.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.113549.1.1.10, a key for signatures by PSS; what is in it is the same.
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
/// 1.2.840.10045.2.1 (RFC 5480), a key on a curve.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// How an RSA key signs, which the key leaves open and the remote does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// `RS256` (RFC 7518 section 3.3).
    Pkcs1,
    /// `PS256` (RFC 7518 section 3.5).
    Pss,
}

/// A key, and by which algorithm it signs.
pub(super) struct PrivateKey {
    algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
}

impl PrivateKey {
    /// The first private key in `pem`: RSA of 2048 to 8192 bits (PKCS#1, PKCS#8), or on one of the
    /// curves P-256, P-384 and P-521 (SEC 1, PKCS#8). Certificates beside it are passed over.
    ///
    /// # Errors
    /// For people, without what was given: why it is no such key.
    pub(super) fn from_pem(pem: &str, padding: Padding) -> Result<Self, String> {
        let pem = pem.replace("\\r", " ").replace("\\n", " ");
        let mut first = None;
        for (label, body) in blocks(&pem) {
            first.get_or_insert(label);
            if label.ends_with("PRIVATE KEY") {
                return Self::of_block(label, body, padding);
            }
        }
        Err(match first {
            Some("CERTIFICATE") => {
                "it is a certificate, not the private key that belongs to it".to_owned()
            }
            Some(label) if label.ends_with("PUBLIC KEY") => {
                "it is a public key, not the private one".to_owned()
            }
            _ => "it is no private key in the form PEM, which begins with `-----BEGIN`".to_owned(),
        })
    }

    fn of_block(label: &str, body: &str, padding: Padding) -> Result<Self, String> {
        // The old form has a header of its own (RFC 1421 section 4.6.1.1).
        if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
            return Err("it is locked with a passphrase, and is needed without one".to_owned());
        }
        let body: String = body.split_whitespace().collect();
        let der = BASE64_STANDARD.decode(body).map_err(|_| {
            "it is no whole key in the form PEM: between its first and its last line is no base64"
                .to_owned()
        })?;
        let der = SecretSlice::from(der);
        let der = der.expose_secret();
        let other =
            || "it is neither an RSA key nor one on the curves P-256, P-384 and P-521".to_owned();
        match label {
            "RSA PRIVATE KEY" => Self::rsa(der, padding),
            "EC PRIVATE KEY" => Self::ec(der).ok_or_else(other),
            "PRIVATE KEY" => match unwrapped(der) {
                Some((RSA | RSA_PSS, key)) => Self::rsa(key, padding),
                Some((EC, _)) => Self::ec(der).ok_or_else(other),
                _ => Err(other()),
            },
            _ => Err(other()),
        }
    }

    fn rsa(der: &[u8], padding: Padding) -> Result<Self, String> {
        let pair = RsaKeyPair::from_der(der).map_err(|_| {
            "it is an RSA key that cannot be used: broken, or not of 2048 to 8192 bits".to_owned()
        })?;
        let (algorithm, encoding): (_, &dyn RsaEncoding) = match padding {
            Padding::Pkcs1 => ("RS256", &RSA_PKCS1_SHA256),
            Padding::Pss => ("PS256", &RSA_PSS_SHA256),
        };
        Ok(Self { algorithm, pair: Pair::Rsa(pair, encoding) })
    }

    fn ec(der: &[u8]) -> Option<Self> {
        CURVES.into_iter().find_map(|(algorithm, curve)| {
            let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
            Some(Self { algorithm, pair: Pair::Ec(pair) })
        })
    }

    /// `alg`, as RFC 7518 section 3.1 calls it.
    pub(super) fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// The signature as RFC 7518 has it; `None` when there is none to be had.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ec(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
        }
    }
}

/// The label and the body of each block (RFC 7468 section 2).
fn blocks(pem: &str) -> impl Iterator<Item = (&str, &str)> {
    pem.split("-----BEGIN ").skip(1).filter_map(|block| {
        let (label, block) = block.split_once("-----")?;
        let (body, _) = block.split_once("-----END ")?;
        Some((label.trim(), body))
    })
}

/// What PKCS#8 wraps (RFC 5208 section 5): the name of the algorithm, and the key.
fn unwrapped(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (all, _) = element(SEQUENCE, der)?;
    let (_version, rest) = element(INTEGER, all)?;
    let (algorithm, rest) = element(SEQUENCE, rest)?;
    let (name, _) = element(NAME, algorithm)?;
    let (key, _) = element(OCTETS, rest)?;
    Some((name, key))
}

/// The content of the first element of `der`, which has the tag `tag`, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = der.split_first_chunk()?;
    // Keys have no more than 64 KiB, so that two bytes are enough where one is not.
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest
            .split_first_chunk()
            .map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length).filter(|_| found == tag)
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrivateKey").field(&self.algorithm).finish()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, RsaKeySize};

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    }

    fn algorithm(pem: &str) -> Result<&'static str, String> {
        PrivateKey::from_pem(pem, Padding::Pss).map(|key| key.algorithm())
    }

    #[test]
    fn the_algorithm_is_that_of_the_key() {
        let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let text = pem("PRIVATE KEY", rsa.serialized_der());
        assert_eq!(algorithm(&text).unwrap(), "PS256");
        let key = PrivateKey::from_pem(&text, Padding::Pkcs1).unwrap();
        assert_eq!(key.algorithm(), "RS256");
        assert_eq!(key.sign(b"a").unwrap().len(), 256);
        for (kind, name, bytes) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "ES256", 64),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "ES384", 96),
            (&rcgen::PKCS_ECDSA_P521_SHA512, "ES512", 132),
        ] {
            let text = pem("PRIVATE KEY", KeyPair::generate_for(kind).unwrap().serialized_der());
            let key = PrivateKey::from_pem(&text, Padding::Pss).unwrap();
            assert_eq!(key.algorithm(), name);
            assert_eq!(key.sign(b"a").unwrap().len(), bytes);
            assert_eq!(format!("{key:?}"), format!("PrivateKey({name:?})"));
        }
    }

    #[test]
    fn keys_come_in_all_their_forms() {
        let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let der = rsa.serialize_der();
        let (_, pkcs1) = unwrapped(&der).unwrap();
        assert_eq!(algorithm(&pem("RSA PRIVATE KEY", pkcs1)).unwrap(), "PS256");
        // As `openssl req -newkey rsa-pss` makes it, which NetSuite's help shows.
        let at = der.windows(RSA.len()).position(|bytes| bytes == RSA).unwrap();
        let pss = [&der[..at], RSA_PSS, &der[at + RSA.len()..]].concat();
        assert_eq!(algorithm(&pem("PRIVATE KEY", &pss)).unwrap(), "PS256");

        let ec = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let der = ec.serialize_der();
        // SEC 1 leaves its curve to what wraps it, so that any could be tried.
        let (_, sec1) = unwrapped(&der).unwrap();
        assert_eq!(algorithm(&pem("EC PRIVATE KEY", sec1)).unwrap(), "ES384");

        let text = pem("PRIVATE KEY", &der);
        let lines: Vec<_> = text.lines().collect();
        for separator in ["\n", "\r\n", "\\n", "\\r\\n", " ", ""] {
            assert_eq!(algorithm(&lines.join(separator)).unwrap(), "ES384", "{separator:?}");
        }
        let whole = format!("a key:\n{}{text}", pem("CERTIFICATE", b"any"));
        assert_eq!(algorithm(&whole).unwrap(), "ES384");
    }

    #[test]
    fn what_is_no_such_key_is_told_in_words() {
        let ec = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let ed = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let half = pem("PRIVATE KEY", ec.serialized_der());
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END \
                   RSA PRIVATE KEY-----";
        for (given, expected) in [
            ("", "no private key in the form PEM"),
            ("hunter2-hunter2", "no private key in the form PEM"),
            (
                half.trim_end_matches("-----END PRIVATE KEY-----\n"),
                "no private key in the form PEM",
            ),
            (&half.replace('M', "?"), "no base64"),
            (&pem("PUBLIC KEY", ec.public_key_raw()), "public key"),
            (&pem("CERTIFICATE", b"any"), "certificate"),
            (&pem("ENCRYPTED PRIVATE KEY", b"any"), "passphrase"),
            (old, "passphrase"),
            (&pem("PRIVATE KEY", ed.serialized_der()), "neither an RSA key"),
            (&pem("PRIVATE KEY", b"any"), "neither an RSA key"),
            (&pem("EC PRIVATE KEY", b"any"), "neither an RSA key"),
            (&pem("RSA PRIVATE KEY", b"any"), "2048"),
            (&pem("OPENSSH PRIVATE KEY", b"any"), "neither an RSA key"),
        ] {
            let told = algorithm(given).unwrap_err();
            assert!(told.contains(expected), "{given}: {told}");
            assert!(!told.contains("hunter2"));
        }
    }
}
