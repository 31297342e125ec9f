//! What a browser does, without one: a cookie that is kept, forms that say where they come from, links.

use crate::service::{Answer, Service};

/// Somebody who looks at the pages of a service.
pub(crate) struct Browser<'a> {
    pub(crate) service: &'a Service,
    pub(crate) cookie: String,
}

impl<'a> Browser<'a> {
    /// Who has no login, where none is asked for.
    pub(crate) fn of(service: &'a Service) -> Self {
        Self { service, cookie: String::new() }
    }

    /// Who has logged in with this key.
    #[track_caller]
    pub(crate) fn log_in(service: &'a Service, key: &str) -> Self {
        let answer = Self::of(service).send("POST", "/ui/login", &[], &format!("key={key}"));
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { service, cookie }
    }

    /// Sends a request with these headers more.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut all = vec![("cookie", self.cookie.as_str())];
        let origin = &self.service.url;
        if method == "POST" {
            all.extend([
                ("origin", origin.as_str()),
                ("content-type", "application/x-www-form-urlencoded"),
            ]);
        }
        all.extend(headers);
        self.service.send(method, path, &all, body)
    }

    /// A page that must be there.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = self.send("GET", path, &[], "");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.text
    }

    /// Where a form that was sent leads to.
    #[track_caller]
    pub(crate) fn post(&self, path: &str) -> String {
        let answer = self.send("POST", path, &[], "");
        assert_eq!(answer.status, 303, "{path}: {answer:?}");
        answer.headers["location"].to_str().unwrap().to_owned()
    }
}

/// The address of a link, of the element with this id.
pub(crate) fn link(page: &str, id: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("id=\"{id}\""))?;
    let href = rest.split_once("href=\"")?.1.split_once('"')?.0;
    Some(href.replace("&amp;", "&").replace("&#38;", "&"))
}

/// The rows of the table of records: external id, outcome.
pub(crate) fn records(page: &str) -> Vec<(String, String)> {
    let cell = |row: &str, start: &str| {
        let rest = row.split_once(start).map_or("", |(_, rest)| rest);
        rest.split_once('<').map_or("", |(text, _)| text).to_owned()
    };
    page.split("<tr role=\"row\">")
        .filter(|row| row.contains("id=\"record-"))
        .map(|row| {
            (cell(row, "<span class=\"clamp\">"), {
                let badge = row.split_once("<span class=\"badge").unwrap().1;
                cell(badge, ">")
            })
        })
        .collect()
}
