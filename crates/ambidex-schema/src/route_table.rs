//! The route table: which route a method and a path belong to.
//!
//! A trie over segments, walked with backtracking: a literal is tried before `*`, and `*` before `**`. A
//! node of the trie fixes how many segments lie before it, so one lookup visits each node at most once, and
//! its cost is bounded by the routes, whatever the path. The path is split first and decoded afterwards, so
//! an escaped slash never separates. This file refuses to know messages and status codes.

use std::borrow::Cow;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::http_verb::HttpVerb;
use crate::name_index::NameIndex;
use crate::path_template::{PathTemplate, Segment};
use crate::percent;

/// Routes by verb and path template.
///
/// ```
/// use ambidex_schema::{HttpVerb, Match, RouteTable};
///
/// let mut table = RouteTable::new();
/// table.insert(&HttpVerb::Get, &"/v1/{name=shelves/*}".parse()?, "get a shelf")?;
/// table.insert(&HttpVerb::Delete, &"/v1/{name=shelves/*}".parse()?, "delete it")?;
///
/// let Match::Found(found) = table.find("GET", "/v1/shelves/1") else { panic!("there is such a route") };
/// assert_eq!(*found.value, "get a shelf");
/// assert_eq!(found.captures, ["shelves/1"]);
///
/// let Match::MethodNotAllowed { allow } = table.find("POST", "/v1/shelves/1") else { panic!("no POST") };
/// assert_eq!(allow, ["DELETE", "GET", "HEAD"]);
/// assert!(matches!(table.find("GET", "/v1/books"), Match::NotFound));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RouteTable<T> {
    /// The first node is the root.
    nodes: Vec<Node>,
    routes: Vec<Route<T>>,
    split_escaped_slashes: bool,
}

#[derive(Debug, Clone)]
struct Route<T> {
    template: PathTemplate,
    value: T,
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
pub enum Match<'t, 'p, T> {
    /// A route takes this method and path.
    Found(Found<'t, 'p, T>),
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

/// The route of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'t, 'p, T> {
    /// What was inserted with the route.
    pub value: &'t T,
    /// The decoded values of the template's variables, in the order of
    /// [`PathTemplate::variables`].
    pub captures: Captures<'p>,
    /// A HEAD request is served by a route for GET: the body is to be left out.
    pub head_as_get: bool,
}

/// The decoded values of a template's variables, borrowed from the path where nothing in them was escaped.
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
        Self { nodes: vec![Node::default()], routes: Vec::new(), split_escaped_slashes: false }
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
        self.routes.push(Route { template: template.clone(), value });
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

    /// Finds the route of a request from its method and its path, escapes and all, without the query.
    ///
    /// A template verb is recognised only where a route has it; otherwise `:x` at the end of a path belongs
    /// to the value. HEAD is served by a route for GET where there is none for HEAD.
    pub fn find<'t, 'p>(&'t self, method: &str, raw_path: &'p str) -> Match<'t, 'p, T> {
        if percent::check(raw_path).is_err() {
            return Match::BadEscape;
        }
        let strict = self.find_strict(method, raw_path);
        if !self.split_escaped_slashes || !matches!(strict, Match::NotFound) {
            return strict;
        }
        let Some(path) = percent::unescape_slashes(raw_path) else { return strict };
        match self.find_strict(method, &path) {
            Match::Found(found) => Match::Found(Found {
                value: found.value,
                captures: found.captures.iter().map(|capture| capture.to_string().into()).collect(),
                head_as_get: found.head_as_get,
            }),
            Match::MethodNotAllowed { allow } => Match::MethodNotAllowed { allow },
            Match::NotFound => Match::NotFound,
            Match::BadEscape => Match::BadEscape,
        }
    }

    fn find_strict<'t, 'p>(&'t self, method: &str, raw_path: &'p str) -> Match<'t, 'p, T> {
        let Some(path) = Path::split(raw_path) else { return Match::NotFound };
        let mut search = Search { table: self, method, allow: Vec::new() };
        // Recognising the verb first lets `/v1/{name=**}` and `/v1/{name=**}:read` live side by side.
        if let Some((path, verb)) = path.with_verb()
            && let Some(found) = search.route(&path, Some(verb))
        {
            return self.captured(found, &path);
        }
        if let Some(found) = search.route(&path, None) {
            return self.captured(found, &path);
        }
        if search.allow.is_empty() {
            return Match::NotFound;
        }
        search.allow.sort_unstable();
        search.allow.dedup();
        Match::MethodNotAllowed { allow: search.allow }
    }

    /// Decodes what the variables of a route captured.
    fn captured<'t, 'p>(&'t self, found: (usize, bool), path: &Path<'p>) -> Match<'t, 'p, T> {
        let (route, head_as_get) = found;
        let Route { template, value } = &self.routes[route];
        let mut captures = Captures::default();
        for variable in template.variables() {
            let range = variable.segments();
            let reaches_end = template.segments()[range.clone()].last() == Some(&Segment::Multi);
            let raw = path.slice(range.start, if reaches_end { path.ends.len() } else { range.end });
            let decoded = match (path.has_escapes, variable.spans_segments()) {
                (false, _) => Ok(Cow::Borrowed(raw)),
                (true, true) => percent::decode_keeping_slashes(raw),
                (true, false) => percent::decode(raw),
            };
            match decoded {
                Ok(capture) => captures.0.push(capture),
                Err(_) => return Match::BadEscape,
            }
        }
        Match::Found(Found { value, captures, head_as_get })
    }
}

/// A path as its segments.
#[derive(Debug, Clone)]
struct Path<'p> {
    text: &'p str,
    /// Where each segment ends. The first starts behind the first slash, each other behind the one where the segment
    /// before it ends.
    ends: SmallVec<[usize; 8]>,
    has_escapes: bool,
    /// The last colon, wherever it is.
    colon: Option<usize>,
}

impl<'p> Path<'p> {
    /// `None` where the path does not start with a slash. The root has no segments.
    fn split(text: &'p str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let mut path = Self { text, ends: SmallVec::new(), has_escapes: false, colon: None };
        // One look at each byte costs less than a search for each of the three: most segments are short.
        for (at, &byte) in text.as_bytes().iter().enumerate().skip(1) {
            // Letters are most of it, and none of them.
            if byte > b':' {
                continue;
            }
            match byte {
                b'/' => path.ends.push(at),
                b':' => path.colon = Some(at),
                b'%' => path.has_escapes = true,
                _ => {}
            }
        }
        if !rest.is_empty() {
            path.ends.push(text.len());
        }
        Some(path)
    }

    /// The path without what stands behind the last colon of its last segment, and that.
    fn with_verb(&self) -> Option<(Self, &'p str)> {
        let start = self.start(self.ends.len().checked_sub(1)?);
        let colon = self.colon.filter(|colon| *colon >= start)?;
        let verb = &self.text[colon + 1..];
        if verb.is_empty() {
            return None;
        }
        let mut path = self.clone();
        path.ends.pop();
        // In `/:verb` nothing stands before the colon: the path is the root.
        if colon > 1 {
            path.ends.push(colon);
        }
        Some((path, verb))
    }

    fn start(&self, segment: usize) -> usize {
        segment.checked_sub(1).map_or(1, |before| self.ends[before] + 1)
    }

    /// The raw text of some segments, with the slashes between them.
    fn slice(&self, start: usize, end: usize) -> &'p str {
        if start >= end || end > self.ends.len() {
            return "";
        }
        &self.text[self.start(start)..self.ends[end - 1]]
    }
}

/// The segments of a path that are still to be matched.
#[derive(Clone, Copy)]
struct Rest<'a> {
    text: &'a str,
    start: usize,
    ends: &'a [usize],
    has_escapes: bool,
}

impl<'a> Rest<'a> {
    #[inline]
    fn split_first(self) -> Option<(&'a str, Self)> {
        let (&end, ends) = self.ends.split_first()?;
        Some((&self.text[self.start..end], Self { start: end + 1, ends, ..self }))
    }
}

/// One walk through the trie.
struct Search<'t, 'm, T> {
    table: &'t RouteTable<T>,
    method: &'m str,
    /// Methods of the routes that take the path.
    allow: Vec<String>,
}

impl<T> Search<'_, '_, T> {
    /// The position of the route, and whether it is one for GET that serves HEAD.
    fn route(&mut self, path: &Path<'_>, verb: Option<&str>) -> Option<(usize, bool)> {
        let rest = Rest { text: path.text, start: 1, ends: &path.ends, has_escapes: path.has_escapes };
        self.descend(0, rest, verb)
    }

    fn descend(&mut self, node: usize, rest: Rest<'_>, verb: Option<&str>) -> Option<(usize, bool)> {
        let node = &self.table.nodes[node];
        let Some((segment, behind)) = rest.split_first() else {
            return self.choose(&node.here, verb).or_else(|| self.choose(&node.multi, verb));
        };
        if !node.literals.is_empty() {
            let literal = match rest.has_escapes {
                false => node.literals.get(segment.as_bytes()),
                // Escapes were checked before; what does not decode to UTF-8 equals no literal.
                true => percent::decode(segment).ok().and_then(|text| node.literals.get(text.as_bytes())),
            };
            if let Some(next) = literal
                && let Some(found) = self.descend(next as usize, behind, verb)
            {
                return Some(found);
            }
        }
        if let Some(next) = node.single
            && !segment.is_empty()
            && let Some(found) = self.descend(next, behind, verb)
        {
            return Some(found);
        }
        self.choose(&node.multi, verb)
    }

    /// The route among these leaves for verb and method; notes the methods there are where it is none.
    fn choose(&mut self, leaves: &[Leaf], verb: Option<&str>) -> Option<(usize, bool)> {
        let leaf = leaves.iter().find(|leaf| leaf.verb.as_deref() == verb)?;
        let route = |wanted: &str| leaf.methods.iter().find(|(verb, _)| verb.as_str() == wanted);
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
}
