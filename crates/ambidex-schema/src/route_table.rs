//! The route table: which route a method and a path belong to.
//!
//! A trie over segments, walked with backtracking: a literal is tried before `*`, and `*` before `**`. A
//! node of the trie fixes how many segments lie before it, so one lookup visits each node at most once, and
//! its cost is bounded by the routes, whatever the path. The path is split while it is walked, and decoded
//! afterwards, so an escaped slash never separates. This file refuses to know messages and status codes.

use std::borrow::Cow;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::http_verb::HttpVerb;
use crate::name_index::NameIndex;
use crate::path_template::{PathTemplate, Segment, Variable};
use crate::percent::{self, BadEscape};

/// Routes by verb and path template.
///
/// ```
/// use ambidex_schema::{Captures, HttpVerb, Match, RouteTable};
///
/// let mut table = RouteTable::new();
/// table.insert(&HttpVerb::Get, &"/v1/{name=shelves/*}".parse()?, "get a shelf")?;
/// table.insert(&HttpVerb::Delete, &"/v1/{name=shelves/*}".parse()?, "delete it")?;
///
/// let mut captures = Captures::default();
/// let found = table.find("GET", "/v1/shelves/1", &mut captures);
/// assert_eq!(found, Match::Found { value: &"get a shelf", head_as_get: false });
/// assert_eq!(captures, ["shelves/1"]);
///
/// let found = table.find("POST", "/v1/shelves/1", &mut captures);
/// assert_eq!(found, Match::MethodNotAllowed { allow: vec!["DELETE".into(), "GET".into(), "HEAD".into()] });
/// assert_eq!(table.find("GET", "/v1/books", &mut captures), Match::NotFound);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RouteTable<T> {
    /// The first node is the root.
    nodes: Vec<Node>,
    routes: Vec<Route<T>>,
    /// The template verbs that routes have.
    verbs: NameIndex,
    /// The most segments that a template has.
    depth: usize,
    split_escaped_slashes: bool,
}

#[derive(Debug, Clone)]
struct Route<T> {
    template: PathTemplate,
    /// What the variables of the template capture.
    spans: Box<[Span]>,
    value: T,
}

/// The segments that a variable captures.
#[derive(Debug, Clone)]
struct Span {
    first: usize,
    /// None where they reach to the end of the path.
    last: Option<usize>,
    keeps: Keeps,
}

/// Which escapes a captured value keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    None,
    Slashes,
    Reserved,
}

/// What may follow after some segments of a path.
#[derive(Debug, Clone, Default)]
struct Node {
    literals: NameIndex,
    single: Option<usize>,
    /// Routes that end here.
    here: Vec<Leaf>,
    /// Routes whose `**` starts here.
    multi: Vec<Leaf>,
}

/// The routes of one position that share a template verb.
#[derive(Debug, Clone)]
struct Leaf {
    verb: Option<String>,
    /// Positions in `routes`.
    methods: Vec<(HttpVerb, usize)>,
}

/// What [`RouteTable::find`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match<'t, T> {
    /// A route takes this method and path.
    Found {
        /// What was inserted with the route.
        value: &'t T,
        /// A HEAD request is served by a route for GET: the body is to be left out.
        head_as_get: bool,
    },
    /// Routes take the path, but with other methods: an HTTP 405.
    MethodNotAllowed {
        /// The methods that would do, sorted: the `Allow` header.
        allow: Vec<String>,
    },
    /// No route takes the path.
    NotFound,
    /// The path has a malformed escape, or decodes to what is not UTF-8: an HTTP 400.
    BadEscape,
}

/// The decoded values of a template's variables, in the order of [`PathTemplate::variables`]; borrowed from the path where
/// nothing in them was escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captures<'p>(SmallVec<[Cow<'p, str>; 4]>);

impl<'p> Deref for Captures<'p> {
    type Target = [Cow<'p, str>];

    fn deref(&self) -> &[Cow<'p, str>] {
        &self.0
    }
}

impl<'p> FromIterator<Cow<'p, str>> for Captures<'p> {
    fn from_iter<I: IntoIterator<Item = Cow<'p, str>>>(values: I) -> Self {
        Self(SmallVec::from_iter(values))
    }
}

impl<const N: usize> PartialEq<[&str; N]> for Captures<'_> {
    fn eq(&self, other: &[&str; N]) -> bool {
        **self == *other
    }
}

/// Two routes that no request can tell apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{verb} {template}` and `{verb} {existing}` match the same requests")]
pub struct RouteConflict {
    /// The verb of both.
    pub verb: HttpVerb,
    /// The template that was not inserted.
    pub template: String,
    /// The template that was there before.
    pub existing: String,
    /// How many routes were inserted before the existing one.
    pub existing_index: usize,
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            routes: Vec::new(),
            verbs: NameIndex::default(),
            depth: 0,
            split_escaped_slashes: false,
        }
    }
}

impl<T> RouteTable<T> {
    /// A table without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a path that matches nothing is tried again with `%2F` as a separator, for clients that escape
    /// the slashes inside a value such as `shelves/1`. Off by default.
    #[must_use]
    pub fn with_split_escaped_slashes(mut self, split: bool) -> Self {
        self.split_escaped_slashes = split;
        self
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are no routes.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Adds a route.
    ///
    /// # Errors
    ///
    /// When there is a route with the same verb whose template matches the same paths: the same segments and
    /// template verb, whatever the variables are called. `*` as a verb does not conflict with a named one,
    /// which takes precedence.
    pub fn insert(
        &mut self,
        verb: &HttpVerb,
        template: &PathTemplate,
        value: T,
    ) -> Result<(), RouteConflict> {
        let (node, multi) = self.place(template);
        let leaves = if multi { &mut self.nodes[node].multi } else { &mut self.nodes[node].here };
        let position = leaves.iter().position(|leaf| leaf.verb.as_deref() == template.verb());
        let leaf = match position {
            Some(position) => &mut leaves[position],
            None => {
                leaves.push(Leaf { verb: template.verb().map(str::to_owned), methods: Vec::new() });
                leaves.last_mut().expect("a leaf was just pushed")
            }
        };
        if let Some(&(_, existing_index)) = leaf.methods.iter().find(|(existing, _)| existing == verb) {
            return Err(RouteConflict {
                verb: verb.clone(),
                template: template.to_string(),
                existing: self.routes[existing_index].template.to_string(),
                existing_index,
            });
        }
        leaf.methods.push((verb.clone(), self.routes.len()));
        if let Some(verb) = template.verb() {
            self.verbs.insert(verb.into(), 0);
        }
        self.depth = self.depth.max(template.segments().len());
        let spans = template.variables().map(|variable| Span::of(variable, template)).collect();
        self.routes.push(Route { template: template.clone(), spans, value });
        Ok(())
    }

    /// The node a template ends at, and whether it ends with `**`.
    fn place(&mut self, template: &PathTemplate) -> (usize, bool) {
        let mut node = 0;
        for segment in template.segments() {
            let fresh = self.nodes.len();
            let next = match segment {
                Segment::Literal(text) => {
                    self.nodes[node].literals.insert(text.as_str().into(), fresh as u32) as usize
                }
                Segment::Single => *self.nodes[node].single.get_or_insert(fresh),
                // The parser lets nothing follow it.
                Segment::Multi => return (node, true),
            };
            if next == fresh {
                self.nodes.push(Node::default());
            }
            node = next;
        }
        (node, false)
    }

    /// Finds the route of a request from its method and its path, escapes and all, without the query. What the variables
    /// of its template captured is put into `captures`, over whatever was there; where no route is found, that says nothing.
    ///
    /// A template verb is recognised only where a route has it; otherwise `:x` at the end of a path belongs
    /// to the value. HEAD is served by a route for GET where there is none for HEAD.
    pub fn find<'t, 'p>(
        &'t self,
        method: &str,
        raw_path: &'p str,
        captures: &mut Captures<'p>,
    ) -> Match<'t, T> {
        captures.0.clear();
        if is_plain(raw_path.as_bytes()) {
            return self.walk(method, raw_path, false, |search| search.found(captures));
        }
        self.find_marked(method, raw_path, captures)
    }

    /// As [`find`](Self::find), for a path that has an escape or a colon.
    #[inline(never)]
    fn find_marked<'t, 'p>(
        &'t self,
        method: &str,
        raw_path: &'p str,
        captures: &mut Captures<'p>,
    ) -> Match<'t, T> {
        let Ok(has_escapes) = percent::check(raw_path) else { return Match::BadEscape };
        let strict = self.find_strict(method, raw_path, has_escapes, captures);
        if !self.split_escaped_slashes || !matches!(strict, Match::NotFound) {
            return strict;
        }
        let Some(path) = percent::unescape_slashes(raw_path) else { return strict };
        let mut of_other = Captures::default();
        let found = self.find_strict(method, &path, true, &mut of_other);
        captures.0.extend(of_other.0.into_iter().map(|capture| Cow::Owned(capture.into_owned())));
        found
    }

    fn find_strict<'t, 'p>(
        &'t self,
        method: &str,
        path: &'p str,
        has_escapes: bool,
        captures: &mut Captures<'p>,
    ) -> Match<'t, T> {
        self.walk(method, path, has_escapes, |search| {
            // Recognising the verb first lets `/v1/{name=**}` and `/v1/{name=**}:read` live side by side.
            if let Some((before, verb)) = self.split_verb(path) {
                (search.path, search.verb) = (before, Some(verb));
                if let Some(found) = search.found(captures) {
                    return Some(found);
                }
                (search.path, search.verb) = (path, None);
            }
            search.found(captures)
        })
    }

    #[inline(always)]
    fn walk<'t, 'p>(
        &'t self,
        method: &str,
        path: &'p str,
        has_escapes: bool,
        find: impl FnOnce(&mut Search<'t, '_, 'p, T>) -> Option<Match<'t, T>>,
    ) -> Match<'t, T> {
        if !path.starts_with('/') {
            return Match::NotFound;
        }
        // Room for every segment that is looked at, of which there is at most one more than templates have.
        let (mut few, mut many) = ([0; 12], Vec::new());
        let ends = if self.depth < few.len() {
            &mut few[..]
        } else {
            many.resize(self.depth + 1, 0);
            &mut many[..]
        };
        let mut search =
            Search { table: self, method, verb: None, path, has_escapes, ends, allow: Vec::new() };
        find(&mut search).unwrap_or_else(|| search.without_route())
    }

    /// The path without what stands behind the last colon of its last segment, and that; `None` where no route has
    /// such a verb.
    fn split_verb<'p>(&self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let (before, verb) = path.rsplit_once(':')?;
        // Then the colon stands in a segment before the last.
        if verb.contains('/') {
            return None;
        }
        self.verbs.get(verb.as_bytes())?;
        Some((before, verb))
    }
}

impl Span {
    fn of(variable: &Variable, template: &PathTemplate) -> Self {
        let segments = variable.segments();
        let last = segments.end - 1;
        let reaches_end = template.segments()[last] == Segment::Multi;
        let keeps = match (variable.spans_segments(), template.keeps_reserved()) {
            (false, _) => Keeps::None,
            (true, false) => Keeps::Slashes,
            (true, true) => Keeps::Reserved,
        };
        Self { first: segments.start, last: (!reaches_end).then_some(last), keeps }
    }

    // Out of the way of most paths, which have no escapes.
    #[inline(never)]
    fn decoded<'p>(&self, raw: &'p str) -> Result<Cow<'p, str>, BadEscape> {
        match self.keeps {
            Keeps::None => percent::decode(raw),
            Keeps::Slashes => percent::decode_keeping_slashes(raw),
            Keeps::Reserved => percent::decode_keeping_reserved(raw),
        }
    }
}

/// One walk through the trie.
struct Search<'t, 'r, 'p, T> {
    table: &'t RouteTable<T>,
    method: &'r str,
    verb: Option<&'p str>,
    /// Without the verb.
    path: &'p str,
    has_escapes: bool,
    /// Where the segments on the way to the present node end. The first starts behind the first slash, each other
    /// behind the one where the segment before it ends.
    ends: &'r mut [usize],
    /// Methods of the routes that take the path.
    allow: Vec<String>,
}

/// The position of a route, and whether it is one for GET that serves HEAD.
type Choice = (usize, bool);

impl<'t, 'p, T> Search<'t, '_, 'p, T> {
    /// What the path leads to; None where no route takes it with verb and method.
    #[inline(always)]
    fn found(&mut self, captures: &mut Captures<'p>) -> Option<Match<'t, T>> {
        // The root has no segments; any other path has one behind each slash.
        let start = if self.path.len() == 1 { 2 } else { 1 };
        let route = self.descend(0, 0, start)?;
        Some(self.captured(route, captures))
    }

    /// The route below a node for what is left of the path: the segments from `start` on, behind `depth` others.
    fn descend(&mut self, node: usize, mut depth: usize, mut start: usize) -> Option<Choice> {
        let table = self.table;
        let mut node = &table.nodes[node];
        loop {
            if start > self.path.len() {
                return self.choose(&node.here).or_else(|| self.choose(&node.multi));
            }
            let end = segment_end(self.path.as_bytes(), start);
            self.ends[depth] = end;
            let literal = self.literal(node, start, end);
            let single = if start < end { node.single } else { None };
            let (next, other) = match (literal, single) {
                (Some(literal), single) => (literal, single),
                (None, Some(single)) => (single, None),
                (None, None) => return self.choose(&node.multi),
            };
            depth += 1;
            start = end + 1;
            // There is seldom more than one way on, and then nothing to come back for.
            if other.is_none() && node.multi.is_empty() {
                node = &table.nodes[next];
                continue;
            }
            let found = self.descend(next, depth, start);
            let found = found.or_else(|| self.descend(other?, depth, start));
            return found.or_else(|| self.choose(&node.multi));
        }
    }

    /// The node behind a literal that is this segment.
    #[inline]
    fn literal(&self, node: &Node, start: usize, end: usize) -> Option<usize> {
        if node.literals.is_empty() {
            return None;
        }
        if self.has_escapes {
            return self.escaped_literal(node, start, end);
        }
        node.literals.get_here(&self.path.as_bytes()[start..end]).map(|next| next as usize)
    }

    /// The same where the segment may have escapes. They were checked before; what does not decode to UTF-8 equals no
    /// literal.
    #[inline(never)]
    fn escaped_literal(&self, node: &Node, start: usize, end: usize) -> Option<usize> {
        let segment = percent::decode(&self.path[start..end]).ok()?;
        node.literals.get(segment.as_bytes()).map(|next| next as usize)
    }

    /// The route among these leaves for verb and method; notes the methods there are where it is none.
    fn choose(&mut self, leaves: &[Leaf]) -> Option<Choice> {
        let leaf = leaves.iter().find(|leaf| leaf.verb.as_deref() == self.verb)?;
        let route = |wanted: &str| leaf.methods.iter().find(|(verb, _)| verb.is(wanted));
        if let Some((_, route)) = route(self.method) {
            return Some((*route, false));
        }
        if self.method == "HEAD"
            && let Some((_, route)) = route("GET")
        {
            return Some((*route, true));
        }
        if let Some((_, route)) = leaf.methods.iter().find(|(verb, _)| *verb == HttpVerb::Any) {
            return Some((*route, false));
        }
        for (verb, _) in &leaf.methods {
            self.allow.push(verb.as_str().to_owned());
            if *verb == HttpVerb::Get {
                self.allow.push("HEAD".to_owned());
            }
        }
        None
    }

    /// Decodes what the variables of a route captured.
    #[inline(always)]
    fn captured(&self, (route, head_as_get): Choice, captures: &mut Captures<'p>) -> Match<'t, T> {
        let Route { spans, value, .. } = &self.table.routes[route];
        for span in spans {
            let start = span.first.checked_sub(1).map_or(1, |before| self.ends[before] + 1);
            let end = span.last.map_or(self.path.len(), |last| self.ends[last]);
            // A `**` for no segments would start behind the end.
            let raw = self.path.get(start..end).unwrap_or_default();
            captures.0.push(if self.has_escapes {
                let Ok(capture) = span.decoded(raw) else { return Match::BadEscape };
                capture
            } else {
                Cow::Borrowed(raw)
            });
        }
        Match::Found { value, head_as_get }
    }

    #[cold]
    fn without_route(&mut self) -> Match<'t, T> {
        if self.allow.is_empty() {
            return Match::NotFound;
        }
        self.allow.sort_unstable();
        self.allow.dedup();
        Match::MethodNotAllowed { allow: std::mem::take(&mut self.allow) }
    }
}

/// Whether a path has neither an escape nor a colon.
#[inline]
fn is_plain(path: &[u8]) -> bool {
    // A number of bytes that is known is looked at in a few instructions, where the end is not looked for in between.
    let has_mark =
        |bytes: &[u8; 16]| bytes.iter().fold(false, |found, b| found | (*b == b'%') | (*b == b':'));
    match path.last_chunk::<16>() {
        Some(last) => !has_mark(last) && !path.as_chunks::<16>().0.iter().any(has_mark),
        None => !path.iter().any(|byte| matches!(byte, b'%' | b':')),
    }
}

/// Where the segment ends that starts at `start`.
#[inline]
fn segment_end(path: &[u8], start: usize) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const SLASHES: u64 = u64::from_le_bytes([b'/'; 8]);
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let mut at = start;
    // Eight bytes at once: a segment is too short for a search to pay, and too long for a look at each byte.
    while let Some(eight) = path[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight) ^ SLASHES;
        // The lowest of the high bits that are set is that of the first byte which is zero.
        let zeros = word.wrapping_sub(ONES) & !word & HIGH_BITS;
        if zeros != 0 {
            return at + zeros.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    path[at..].iter().position(|byte| *byte == b'/').map_or(path.len(), |length| at + length)
}
