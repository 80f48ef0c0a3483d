//! A subscriber that keeps what it is told: for tests in a process of their own, which it listens to as a whole.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, span};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Fields by their names, displayed.
pub type Fields = BTreeMap<String, String>;

/// A span, and what happened directly or deeply in it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub target: &'static str,
    pub fields: Fields,
    pub events: Vec<Fields>,
    pub closed: bool,
}

impl Seen {
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

#[derive(Debug, Default)]
struct Kept {
    spans: Vec<Seen>,
    /// Events of no span that was kept, with their target among the fields.
    loose: Vec<Fields>,
}

/// What the process has said so far; every clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Captured(Arc<Mutex<Kept>>);

/// Where a span is among those that were kept.
struct Place(usize);

impl Captured {
    /// Listens to the whole process, to what `targets` let pass.
    pub fn listen(targets: &str) -> Self {
        let captured = Self::default();
        let targets: Targets = targets.parse().expect("targets");
        tracing_subscriber::registry().with(captured.clone().with_filter(targets)).init();
        captured
    }

    /// The spans so far.
    pub fn spans(&self) -> Vec<Seen> {
        self.0.lock().expect("no one panics with it").spans.clone()
    }

    /// The events of that target, with the fields of the span they are in, if they are.
    pub fn events(&self, target: &str) -> Vec<Fields> {
        let kept = self.0.lock().expect("no one panics with it");
        let in_spans = kept.spans.iter().flat_map(|span| &span.events);
        in_spans.chain(&kept.loose).filter(|event| event["target"] == target).cloned().collect()
    }
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").expect("strings take everything");
        self.0.insert(field.name().to_owned(), text);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Captured {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut seen = Seen { target: attributes.metadata().target(), ..Seen::default() };
        attributes.record(&mut Reader(&mut seen.fields));
        let mut kept = self.0.lock().expect("no one panics with it");
        let place = Place(kept.spans.len());
        kept.spans.push(seen);
        context.span(id).expect("it is new").extensions_mut().insert(place);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).expect("it is open");
        let extensions = span.extensions();
        let Some(Place(place)) = extensions.get() else { return };
        if let Some(seen) = self.0.lock().expect("no one panics with it").spans.get_mut(*place) {
            values.record(&mut Reader(&mut seen.fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::from([("target".to_owned(), event.metadata().target().to_owned())]);
        event.record(&mut Reader(&mut fields));
        let place =
            context.event_span(event).and_then(|span| span.extensions().get().map(|Place(place)| *place));
        let mut kept = self.0.lock().expect("no one panics with it");
        match place.and_then(|place| kept.spans.get_mut(place)) {
            Some(seen) => seen.events.push(fields),
            None => kept.loose.push(fields),
        }
    }

    fn on_close(&self, id: span::Id, context: Context<'_, S>) {
        let span = context.span(&id).expect("it closes only now");
        let extensions = span.extensions();
        let Some(Place(place)) = extensions.get() else { return };
        if let Some(seen) = self.0.lock().expect("no one panics with it").spans.get_mut(*place) {
            seen.closed = true;
        }
    }
}
