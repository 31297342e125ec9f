//! Where Salesforce's calls go: `{instance}/services/data/v{version}/…`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_list.htm>

use percent_encoding::utf8_percent_encode;
use url::Url;

use crate::connector::contract::RequestError;
use crate::connector::http::SEGMENT;

/// Paths of one version.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    version: String,
}

impl Paths {
    /// By the config's `api_version`, with a `v` or without. In place of one that is too old it is the
    /// oldest that serves.
    ///
    /// # Errors
    /// For people: it is no version.
    pub(super) fn new(version: &str) -> Result<Self, String> {
        let digits = version.trim().trim_start_matches(['v', 'V']);
        let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |text: &str| {
            (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(major) || !is_number(minor) {
            return Err("it is no version such as `55.0`".to_owned());
        }
        if major.parse::<u32>().is_ok_and(|major| major < OLDEST) {
            tracing::warn!(
                "Calls take many records from version {OLDEST}.0 of the API on: that is used in place of \
                 the config's `api_version`."
            );
            return Ok(Self { version: format!("v{OLDEST}.0") });
        }
        Ok(Self { version: format!("v{major}.{minor}") })
    }

    /// Below the data of an org. Segments are encoded.
    ///
    /// # Errors
    /// One of them leads elsewhere.
    pub(super) fn of(&self, instance: &Url, segments: &[&str]) -> Result<Url, RequestError> {
        let own = instance.path().trim_end_matches('/');
        let mut path = format!("{own}/services/data/{}", self.version);
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                let why = format!("`{segment}` cannot stand in a path");
                return Err(RequestError::never_sent(&why));
            }
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        let mut url = instance.clone();
        url.set_path(&path);
        Ok(url)
    }

    /// Whether it is this version or a later one.
    pub(super) fn is_from(&self, version: u32) -> bool {
        let major = self.version.trim_start_matches('v').split('.').next();
        major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= version)
    }

    /// A path as calls name it that stand in the body of another. Segments are names.
    pub(super) fn inside(&self, segments: &[&str]) -> String {
        format!("/services/data/{}/{}", self.version, segments.join("/"))
    }

    /// Where the Metadata API is spoken to.
    pub(super) fn metadata(&self, instance: &Url) -> Url {
        let own = instance.path().trim_end_matches('/');
        let mut url = instance.clone();
        url.set_path(&format!("{own}/services/Soap/m/{}", self.version.trim_start_matches('v')));
        url
    }

    /// A path that an answer names, such as that of a next page.
    ///
    /// # Errors
    /// It is none of the org's data.
    pub(super) fn told(instance: &Url, path: &str) -> Result<Url, RequestError> {
        let own = instance.path().trim_end_matches('/');
        let mut url = instance.clone();
        let (path, query) =
            path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let is_data = path.starts_with("/services/data/")
            && !path
                .split('/')
                .any(|segment| segment.starts_with('.') || segment.contains(['%', '\\']));
        if !is_data {
            let why = "the answer names a next page that is none of the org's data";
            return Err(RequestError::Protocol(why.into()));
        }
        url.set_path(&format!("{own}{path}"));
        url.set_query(query);
        Ok(url)
    }
}

/// The version that first upserts Collections by external id.
const OLDEST: u32 = 46;

#[cfg(test)]
mod tests {
    use super::*;

    fn org() -> Url {
        Url::parse("https://acme.example/below/").unwrap()
    }

    #[test]
    fn paths_have_the_version_in_them() {
        for (given, told) in
            [("55.0", "v55.0"), ("v60", "v60.0"), ("V46.0", "v46.0"), ("29", "v46.0")]
        {
            let url = Paths::new(given).unwrap().of(&org(), &["sobjects", "A b"]).unwrap();
            assert_eq!(url.path(), format!("/below/services/data/{told}/sobjects/A%20b"));
        }
        for wrong in ["", "latest", "5.5.0", "55.0/../x"] {
            Paths::new(wrong).unwrap_err();
        }
        let paths = Paths::new("55.0").unwrap();
        paths.of(&org(), &["sobjects", ".."]).unwrap_err();
        assert_eq!(paths.inside(&["sobjects", "Account"]), "/services/data/v55.0/sobjects/Account");
        assert!(paths.is_from(55) && !paths.is_from(56));
        assert_eq!(paths.metadata(&org()).path(), "/below/services/Soap/m/55.0");
        let next = Paths::told(&org(), "/services/data/v55.0/query/01g-2000").unwrap();
        assert_eq!(next.path(), "/below/services/data/v55.0/query/01g-2000");
        for wrong in [
            "https://evil.example/x",
            "/services/apexrest/x",
            "/services/data/../../x",
            "/services/data/%2e%2e/x",
        ] {
            Paths::told(&org(), wrong).unwrap_err();
        }
    }
}
