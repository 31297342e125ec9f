//! Which account is meant: its id, as it stands in signatures and in addresses.
//!
//! "Account-specific domains" and "The Authorization Headers" in
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/>: a sandbox is `1234567_SB1` in a
//! realm and `1234567-sb1` in a host.

/// What comes after the account in a host.
const DOMAIN: &str = ".suitetalk.api.netsuite.com";
/// Characters of an id, at most.
const MAX_CHARS: usize = 40;

/// An account's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountId {
    /// In capitals, with `_`.
    id: String,
}

impl AccountId {
    /// From any form that people copy: `1234567_SB1`, `1234567-sb1`, or the account's address.
    ///
    /// # Errors
    /// For people: it is none of these.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = bare.split(['/', ':', '?']).next().unwrap_or_default();
        // The host of the user interface is `{account}.app.netsuite.com`.
        let label = host.split('.').next().unwrap_or_default();
        let is_host = bare.len() > label.len();
        let is_id = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let is_good = (1..=MAX_CHARS).contains(&label.len())
            && label.chars().all(is_id)
            && label.starts_with(|c: char| c.is_ascii_alphanumeric())
            && (!is_host || host.to_ascii_lowercase().ends_with(".netsuite.com"));
        if !is_good {
            return Err("it is no account id such as `1234567` or `1234567_SB1`".to_owned());
        }
        Ok(Self { id: label.replace('-', "_").to_ascii_uppercase() })
    }

    /// As the realm of a signature has it, and people.
    pub(super) fn realm(&self) -> &str {
        &self.id
    }

    /// Where its calls go.
    pub(super) fn address(&self) -> String {
        format!("https://{}{DOMAIN}", self.id.replace('_', "-").to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_one_realm_and_one_host() {
        for given in [
            "1234567_SB1",
            "1234567-sb1",
            " 1234567_sb1 ",
            "1234567-sb1.suitetalk.api.netsuite.com",
            "https://1234567-sb1.app.netsuite.com/app/center/card.nl?sc=-29",
        ] {
            let account = AccountId::read(given).unwrap();
            assert_eq!(account.realm(), "1234567_SB1", "{given}");
            assert_eq!(account.address(), "https://1234567-sb1.suitetalk.api.netsuite.com");
        }
        let plain = AccountId::read("tstdrv12345").unwrap();
        assert_eq!(
            (plain.realm(), &*plain.address()),
            ("TSTDRV12345", "https://tstdrv12345.suitetalk.api.netsuite.com")
        );
        for wrong in ["", "12 34", "_", "https://evil.example/1234567", "a/b.c", "é"] {
            AccountId::read(wrong).unwrap_err();
        }
    }
}
