//! The ids of a tenant, as the files that the hosted platform keeps them in.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::prelude::BASE64_STANDARD;
use base64::write::EncoderWriter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::body::{InPath, InQuery};
use super::super::streamed::streamed;
use crate::config::SnapshotFormat;
use crate::error::Error;
use crate::ids::export_file;
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::problem::Problem;
use crate::store::report::TellError;
use crate::store::streams::known_streams;
use crate::store::{open_for_reading, unreadable};

const LISTED: &str = "without `file`, all are listed";

/// A tenant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct TenantPlace {
    /// The environment's id.
    env_id: String,
    /// The tenant's id.
    tenant: String,
}

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::serve::api) struct OfFile {
    /// The file whose content is wanted; without it, the files are listed.
    file: Option<String>,
    /// Only files in this folder. There are none in any.
    folder: Option<String>,
}

/// The files there are, or one of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "tells of answers that are written piece by piece")]
enum Snapshots {
    /// Their names.
    Files(Vec<String>),
    /// One of them.
    File {
        /// Its name.
        file: String,
        /// What is in it: CSV, in Base64.
        content: String,
    },
}

/// The ids of a tenant: the files there are, or one of them, in Base64
#[utoipa::path(
    get, path = "/tenant/{env_id}/{tenant}/snapshots", tag = "platform", params(TenantPlace, OfFile),
    responses((status = 200, body = Snapshots), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn snapshots(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TenantPlace>,
    InQuery(of): InQuery<OfFile>,
) -> Result<Response, Problem> {
    let TenantPlace { env_id, tenant } = place;
    caller.may(&env_id, &tenant)?;
    service.tenants.check_tenant(&(env_id.clone(), tenant.clone()))?;
    if of.folder.is_some_and(|folder| !folder.is_empty()) {
        return Ok(Json(serde_json::json!([])).into_response());
    }
    let files = tokio::task::block_in_place(|| files(&service, &env_id, &tenant))?;
    let Some(wanted) = of.file else {
        let names: Vec<_> = files.into_iter().map(|file| file.name).collect();
        return Ok(Json(names).into_response());
    };
    let same = files.iter().filter(|file| file.short == wanted).map(|file| &*file.name);
    let same = same.collect::<HashSet<_>>().len();
    let file = files.into_iter().find(|file| file.name == wanted);
    let file = file.ok_or_else(|| match same {
        0 => Problem::not_found(format!("there is no snapshot `{wanted}`")).hint(LISTED),
        _ => {
            Problem::conflict(format!("{same} connectors have a snapshot `{wanted}`")).hint(LISTED)
        }
    })?;
    let turn = service.downloads.turn().await?;
    let body = streamed(turn, move |out| content(out, &file));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The ids of one stream in one lane.
struct SnapshotFile {
    /// Where several connectors of a flow have the stream, with the connector's id.
    name: String,
    /// As the platform's jobs name it.
    short: String,
    store: std::path::PathBuf,
    stream: i64,
}

fn files(service: &Service, environment: &str, tenant: &str) -> Result<Vec<SnapshotFile>, Error> {
    let mut files: Vec<SnapshotFile> = Vec::new();
    for lane in service.tenants.lanes_of(environment, tenant) {
        let store = lane.store(&service.config.data);
        if !store.exists() {
            continue;
        }
        let connection = open_for_reading(&store)?;
        let streams = known_streams(&connection).map_err(unreadable)?;
        for known in streams.into_iter().filter(|known| known.ids > 0) {
            let (stream, flow, connector) = (&known.stream, &lane.flow, &lane.connector);
            let short = format!("{stream}_{flow}.snapshot.csv");
            let name = format!("{stream}_{flow}_{connector}.snapshot.csv");
            files.push(SnapshotFile { name, short, store: store.clone(), stream: known.id });
        }
    }
    // Of one connector, the ids of an account that it had before have the same name.
    let mut sharing: HashMap<String, HashSet<String>> = HashMap::new();
    for file in &files {
        sharing.entry(file.short.clone()).or_default().insert(file.name.clone());
    }
    for file in files.iter_mut().filter(|file| sharing[&file.short].len() == 1) {
        file.name.clone_from(&file.short);
    }
    Ok(files)
}

fn content(out: &mut dyn Write, file: &SnapshotFile) -> Result<(), TellError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ids.csv");
    let connection = open_for_reading(&file.store).map_err(io::Error::other)?;
    export_file(&connection, file.stream, &path, SnapshotFormat::Csv).map_err(io::Error::other)?;
    write!(out, "{{\"file\":{},\"content\":\"", serde_json::Value::from(&*file.name))?;
    let mut encoder = EncoderWriter::new(BufWriter::new(&mut *out), &BASE64_STANDARD);
    io::copy(&mut File::open(path)?, &mut encoder)?;
    encoder.finish()?.flush()?;
    drop(encoder);
    Ok(out.write_all(b"\"}")?)
}
