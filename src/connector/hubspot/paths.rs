//! Where HubSpot's calls go: paths with a date in them, or those of before.
//!
//! <https://developers.hubspot.com/docs/api-reference/latest/overview>: since March 2026 a path has
//! its version behind the name of its API (`/crm/objects/2026-03/contacts`); before, it had a number in front of
//! it (`/crm/v3/objects/contacts`, and `v4` for associations). Those end in 2027.

use percent_encoding::utf8_percent_encode;
use url::Url;

use crate::connector::contract::RequestError;
use crate::connector::http::SEGMENT;

/// Where HubSpot is.
pub(super) const HOST: &str = "https://api.hubapi.com";

/// Paths of one version.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    base: Url,
    /// A date; `None` for the numbers of before.
    date: Option<String>,
}

/// One of HubSpot's APIs for the CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Objects,
    Associations,
    Properties,
    Lists,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Associations => "associations",
            Self::Properties => "properties",
            Self::Lists => "lists",
        }
    }
}

impl Paths {
    /// Below `base`, by the config's `api_version`.
    ///
    /// # Errors
    /// For people: it is no version.
    pub(super) fn new(base: Url, version: &str) -> Result<Self, String> {
        let is_date = version.len() == 7
            && version
                .char_indices()
                .all(|(at, c)| if at == 4 { c == '-' } else { c.is_ascii_digit() });
        let date = match version {
            "v3" | "3" => None,
            _ if is_date => Some(version.to_owned()),
            _ => return Err("it is neither a date such as `2026-03` nor `v3`".to_owned()),
        };
        Ok(Self { base, date })
    }

    /// A path of one of the APIs. Its segments are encoded.
    ///
    /// # Errors
    /// One of them leads elsewhere.
    pub(super) fn of(&self, api: Api, segments: &[&str]) -> Result<Url, RequestError> {
        let name = api.name();
        let start = match (&self.date, api) {
            (Some(date), _) => format!("crm/{name}/{date}"),
            (None, Api::Associations) => format!("crm/v4/{name}"),
            (None, _) => format!("crm/v3/{name}"),
        };
        self.at(&start, segments)
    }

    /// Marketing campaigns, which are no objects of the CRM.
    ///
    /// # Errors
    /// The id leads elsewhere.
    pub(super) fn campaigns(&self, id: Option<&str>) -> Result<Url, RequestError> {
        let start = match &self.date {
            Some(date) => format!("marketing/campaigns/{date}"),
            None => "marketing/v3/campaigns".to_owned(),
        };
        self.at(&start, id.as_slice())
    }

    /// Where tokens are given.
    pub(super) fn token(&self) -> Url {
        self.below(&format!("oauth/{}/token", self.date.as_deref().unwrap_or("v3")))
    }

    /// Whose account it is.
    pub(super) fn account(&self) -> Url {
        self.below(&format!("account-info/{}/details", self.date.as_deref().unwrap_or("v3")))
    }

    /// A path that a stream's name gives, with its query.
    ///
    /// # Errors
    /// For people: it leads elsewhere.
    pub(super) fn full(&self, path: &str) -> Result<Url, String> {
        let (path, query) =
            path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let has_odd = |text: &str| text.contains(['#', '\\']) || text.contains(char::is_control);
        if path.split('/').any(leads_elsewhere) || has_odd(path) || query.is_some_and(has_odd) {
            return Err("a part of its path is `.` or `..`, or it has a `#`, a `\\` or a control \
                        character"
                .to_owned());
        }
        let mut url = self.base.clone();
        let own = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{own}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        Ok(url)
    }

    fn at(&self, start: &str, segments: &[&str]) -> Result<Url, RequestError> {
        let mut path = start.to_owned();
        for segment in segments {
            if leads_elsewhere(segment) {
                let why = format!("`{segment}` cannot stand in a path");
                return Err(RequestError::never_sent(&why));
            }
            path.push('/');
            path.extend(utf8_percent_encode(segment, SEGMENT));
        }
        Ok(self.below(&path))
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }
}

/// Whether a segment is a step on the way, encoded or not
/// (<https://url.spec.whatwg.org/#double-dot-path-segment>).
fn leads_elsewhere(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    matches!(plain.as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(version: &str) -> Paths {
        Paths::new(Url::parse("http://h/below").unwrap(), version).unwrap()
    }

    #[test]
    fn a_date_stands_behind_the_api_and_a_number_before_it() {
        let of = |version: &str, api, segments: &[&str]| {
            paths(version).of(api, segments).unwrap().path().to_owned()
        };
        let batch = ["contacts", "batch", "read"];
        assert_eq!(
            of("2026-03", Api::Objects, &batch),
            "/below/crm/objects/2026-03/contacts/batch/read"
        );
        assert_eq!(of("v3", Api::Objects, &batch), "/below/crm/v3/objects/contacts/batch/read");
        let pair = ["deals", "contacts", "labels"];
        let dated = of("2026-09", Api::Associations, &pair);
        assert_eq!(dated, "/below/crm/associations/2026-09/deals/contacts/labels");
        assert_eq!(
            of("v3", Api::Associations, &pair),
            "/below/crm/v4/associations/deals/contacts/labels"
        );
        assert_eq!(of("v3", Api::Lists, &["a/b c"]), "/below/crm/v3/lists/a%2Fb%20c");
        assert_eq!(paths("v3").token().path(), "/below/oauth/v3/token");
        assert_eq!(paths("2026-03").token().path(), "/below/oauth/2026-03/token");
    }

    #[test]
    fn what_is_no_version_or_leads_elsewhere_is_told() {
        for version in ["", "v4", "2026", "2026-3", "2026/03", "20260-3", "latest"] {
            Paths::new(Url::parse(HOST).unwrap(), version).unwrap_err();
        }
        let paths = paths("v3");
        let url = paths.full("/crm/v3/objects/notes?archived=false").unwrap();
        assert_eq!(url.as_str(), "http://h/below/crm/v3/objects/notes?archived=false");
        for path in [
            "/a/../../b",
            "/./a",
            "/a#b",
            "/a/%2e%2E/b",
            "/a/.%2e/b",
            "/a\\..\\b",
            "/a/.\t./b",
            "/a?x=1#y",
        ] {
            paths.full(path).unwrap_err();
        }
        for id in [".", ".."] {
            paths.campaigns(Some(id)).unwrap_err();
            paths.of(Api::Objects, &[id, "batch", "read"]).unwrap_err();
        }
    }
}
