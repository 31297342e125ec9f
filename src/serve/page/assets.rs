//! What pages are made of beside themselves. Their addresses have a hash of what is in them, so that
//! browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::text::hex;

/// htmx 2.0.11 (Zero-Clause BSD), as npm has it.
const HTMX: &str = include_str!("assets/htmx.min.js");
const CSS: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/page.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Where they are.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) htmx: String,
    pub(super) css: String,
    pub(super) script: String,
    pub(super) icon: String,
}

/// All of them.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    htmx: place("htmx.min.js", HTMX),
    css: place("page.css", CSS),
    script: place("page.js", SCRIPT),
    icon: place("icon.svg", ICON),
});

fn place(name: &str, content: &str) -> String {
    format!("/ui/assets/{}/{name}", hex(&Sha256::digest(content)[..8]))
}

/// One of them.
pub(super) async fn asset(Path((hash, name)): Path<(String, String)>) -> Response {
    let asked = format!("/ui/assets/{hash}/{name}");
    let known = [
        (&ASSETS.htmx, "text/javascript; charset=utf-8", HTMX),
        (&ASSETS.css, "text/css; charset=utf-8", CSS),
        (&ASSETS.script, "text/javascript; charset=utf-8", SCRIPT),
        (&ASSETS.icon, "image/svg+xml", ICON),
    ];
    match known.into_iter().find(|(place, ..)| **place == asked) {
        Some((_, kind, content)) => {
            let kept = "public, max-age=31536000, immutable";
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept)], content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
