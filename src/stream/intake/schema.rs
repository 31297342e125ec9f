//! What a SCHEMA makes of its stream.

use std::sync::Arc;

use super::message::Interpreter;
use crate::connector::contract::{Capabilities, StreamSchema};
use crate::error::Error;
use crate::record::StreamName;
use crate::singer::message;
use crate::singer::schema::RecordSchema;
use crate::singer::values::{self, MAX_VALUES};
use crate::stream::ability::{can_do, can_relate};
use crate::stream::identity::IdFields;
use crate::stream::mapping::Mapping;
use crate::stream::prepare::{Extension, Preparer};
use crate::stream::{Item, Stream};

impl Interpreter {
    /// Takes a SCHEMA. One that says nothing new changes no more than the fields that the platform
    /// wants to see again.
    pub(super) fn take_schema(
        &mut self,
        schema: &message::Schema<'_>,
        line: &[u8],
        line_number: u64,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let name = &*schema.stream;
        if values::is_over(line, MAX_VALUES) {
            return Err(Error::input(format!(
                "line {line_number} of the input: the SCHEMA of stream `{name}` has more than \
                 {MAX_VALUES} values"
            )));
        }
        if let Some(preparer) = self.streams.get_mut(name)
            && *preparer.made_of.0 == *schema.schema.get()
            && preparer.made_of.1 == schema.key_properties
        {
            preparer.extension = Extension::read(schema.extension);
            return Ok(());
        }
        let preparer = self.preparer(schema, line, line_number)?;
        items.push(Item::Stream(Arc::clone(&preparer.stream)));
        self.streams.insert(name.to_owned(), preparer);
        Ok(())
    }

    /// What makes a stream's records ready by a SCHEMA that is its first, or another than its last.
    fn preparer(
        &self,
        schema: &message::Schema<'_>,
        line: &[u8],
        line_number: u64,
    ) -> Result<Preparer, Error> {
        let name = &*schema.stream;
        let compiled = RecordSchema::compile(schema.schema).map_err(|problem| {
            Error::input(format!(
                "line {line_number} of the input: the schema of stream `{name}` cannot be used: {problem}"
            ))
        })?;
        let mut options = (self.stream_options)(name);
        let stream_name = StreamName::new(name);
        let learned = StreamSchema {
            stream: &stream_name,
            properties: compiled.properties(),
            keys: &schema.key_properties,
        };
        (self.learn)(&self.connector, &learned)?;
        let (capabilities, unusable) = match self.connector.capabilities(&stream_name) {
            Ok(capabilities) => (capabilities, None),
            Err(error) => (Capabilities::default(), Some(error.to_string())),
        };
        capabilities.settle(&mut options);
        let shape = self.connector.shape(&stream_name);
        let is_platform = self.options.is_platform
            || shape.as_ref().is_some_and(|shape| shape.is_platform(compiled.properties()));
        let ids = IdFields::settle(
            name,
            &options,
            self.options.identity,
            is_platform,
            compiled.properties(),
            &schema.key_properties,
            &capabilities,
        );
        let ids = match ids {
            // What its ids are is of no use where none of its records can be written, which is told.
            Err(_) if unusable.is_some() => IdFields::none(),
            ids => ids?,
        };
        if compiled.properties().is_empty() && ids.has_none() {
            return Err(schema_without_fields(name, line_number));
        }
        let mapping = Mapping::compile(name, &options.fields)?;
        if unusable.is_none() {
            can_do(name, &options, &capabilities)?;
            can_relate(name, &options, shape.as_deref())?;
        }
        let before = self.streams.get(name);
        let index = before.map_or(self.streams.len(), |before| before.stream.index);
        let version = before.map_or(0, |before| before.stream.version + 1);
        let read = before.map_or(0, |before| before.read);
        let stream = Arc::new(Stream {
            index,
            name: stream_name,
            options,
            capabilities,
            schema_line: String::from_utf8_lossy(line).into(),
            version,
        });
        Ok(Preparer {
            stream,
            made_of: (schema.schema.get().into(), schema.key_properties.clone()),
            schema: compiled,
            ids,
            shape,
            mapping,
            extension: Extension::read(schema.extension),
            unusable,
            read,
            warned: false,
            warned_reserved: false.into(),
        })
    }
}

/// That a stream has no ids is seen by its properties. Where there are none, its records may have
/// ids all the same, and would all be made again by each job.
fn schema_without_fields(stream: &str, line: u64) -> Error {
    Error::input(format!(
        "line {line} of the input: the schema of stream `{stream}` cannot be used: \
         it has no properties, and there are no key properties"
    ))
    .hint(
        "let the tap say which fields its records have, or name those of the ids in the config: \
         `external_id`, for the stream",
    )
}
