//! Makes a proto comment fit for rustdoc.
//!
//! Comments are written for people and for other generators; rustdoc reads them as Markdown with
//! habits of its own. Left alone, an indented example becomes a doctest that does not compile, and
//! `[x]`, `<T>` or a bare URL becomes a warning in the user's crate. So the comment is parsed with
//! the parser that rustdoc uses, and changed only where rustdoc or clippy would object. This
//! module refuses to know where a comment comes from or goes to.

use std::ops::Range;

use pulldown_cmark::{BrokenLink, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::edits::Edits;

/// Readings of one comment. A change can bring out something that the change before it hid, so a
/// comment is read until nothing is left to change; two readings are the rule.
const READINGS_MAX: usize = 8;

/// The extensions of Markdown that rustdoc switches on.
const RUSTDOC_OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS);

/// The comment as lines of Markdown that rustdoc and clippy take without a warning; no lines if
/// it says nothing.
pub(super) fn rustdoc_lines(comment: &str) -> Vec<String> {
    let mut text = plain_text(comment);
    for _ in 0..READINGS_MAX {
        let edits = Reading::new(&text).edits();
        if edits.is_empty() {
            break;
        }
        text = edits.apply(&text);
    }
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The comment without what surrounds its text: the space after `//`, trailing spaces, blank lines
/// at both ends, and characters that have no business in documentation.
fn plain_text(comment: &str) -> String {
    let lines: Vec<String> = comment
        .lines()
        .map(|line| line.replace('\t', "    ").replace(|c: char| c.is_control() || is_bidi_control(c), ""))
        .map(|line| line.trim_end().to_owned())
        .collect();
    let indent = lines.iter().filter(|line| !line.is_empty()).map(|line| leading_spaces(line)).min();
    let indent = indent.unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(indent..).unwrap_or("")).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Characters that reorder text on screen; rustc refuses them in comments.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn leading_spaces(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// One reading of a text, from start to end.
struct Reading<'t> {
    text: &'t str,
    edits: Edits,
    /// The links around the current position, innermost last.
    links: Vec<OpenLink>,
    /// For each list item around the current position, the column its text starts at.
    items: Vec<usize>,
    /// How many block quotes are around the current position.
    quotes: usize,
    in_code_block: bool,
}

/// A link whose text is being read.
struct OpenLink {
    range: Range<usize>,
    text_end: usize,
    treatment: LinkTreatment,
}

/// What becomes of a link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LinkTreatment {
    /// It leads somewhere: leave it alone.
    Keep,
    /// `[x]` with nothing behind it was never meant as a link: print the brackets.
    Escape,
    /// `[Book][bookshop.v1.Book]` and `[Book](Book)` refer to something in a proto, which has no
    /// address that is known here: keep the words.
    Unlink,
}

impl<'t> Reading<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            edits: Edits::default(),
            links: Vec::new(),
            items: Vec::new(),
            quotes: 0,
            in_code_block: false,
        }
    }

    fn edits(mut self) -> Edits {
        // rustdoc tries to resolve references that Markdown does not. Pretending that all of them
        // resolve is how to be told about them.
        let resolve_all = |_: BrokenLink<'t>| Some((CowStr::Borrowed(""), CowStr::Borrowed("")));
        let parser = Parser::new_with_broken_link_callback(self.text, RUSTDOC_OPTIONS, Some(resolve_all));
        for (event, range) in parser.into_offset_iter() {
            self.read(event, range);
        }
        self.edits
    }

    fn read(&mut self, event: Event<'_>, range: Range<usize>) {
        // Whatever starts inside a link is, for now, the end of its text.
        if let Some(link) = self.links.last_mut()
            && !matches!(event, Event::End(TagEnd::Link))
        {
            link.text_end = range.end;
        }
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => {
                self.in_code_block = true;
                self.fence(range);
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                self.in_code_block = true;
                self.name_language(&language, range);
            }
            Event::End(TagEnd::CodeBlock) => self.in_code_block = false,
            Event::Start(Tag::Item) => {
                let column = self.item_text_column(range.start);
                self.items.push(column);
            }
            Event::End(TagEnd::Item) => drop(self.items.pop()),
            Event::Start(Tag::BlockQuote(_)) => self.quotes += 1,
            Event::End(TagEnd::BlockQuote(_)) => self.quotes -= 1,
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let treatment = link_treatment(link_type, &dest_url);
                let text_end = range.start + 1;
                self.links.push(OpenLink { range, text_end, treatment });
            }
            Event::End(TagEnd::Link) => {
                if let Some(link) = self.links.pop() {
                    self.treat_link(link);
                }
            }
            Event::Start(Tag::Image { link_type, .. }) if is_unresolved(link_type) => {
                self.edits.insert(range.start, "\\");
            }
            Event::Html(_) | Event::InlineHtml(_) => self.escape_html(range),
            Event::SoftBreak | Event::HardBreak => self.align_continuation(range.end),
            Event::Text(_) if !self.in_code_block && self.links.is_empty() => self.link_urls(range),
            _ => {}
        }
    }

    /// Puts fences around an indented example, which would otherwise be compiled as a doctest.
    fn fence(&mut self, range: Range<usize>) {
        let code_start = range.start + leading_spaces(&self.text[range.start..]);
        let line_start = self.line_start(range.start);
        let indent = (code_start - line_start).saturating_sub(4);
        // What leads up to the code on its first line may be the bullet of a list item; the lines
        // after it are only indented as far.
        let lead: String = self.text[line_start..line_start + indent]
            .chars()
            .map(|c| if c == '>' { '>' } else { ' ' })
            .collect();
        let block = self.text[line_start + indent..range.end].trim_end();
        let mut fenced = "```text".to_owned();
        for line in block.lines().enumerate().map(|(index, line)| match index {
            0 => &line[line.len().min(4)..],
            _ => line.get(indent + 4..).unwrap_or(""),
        }) {
            fenced.push('\n');
            fenced.push_str(&lead);
            fenced.push_str(line);
        }
        fenced.push('\n');
        fenced.push_str(&lead);
        fenced.push_str("```");
        let start = line_start + indent;
        self.edits.replace(start..start + block.len(), fenced);
    }

    /// Says `text` where a fenced example would be taken for Rust.
    fn name_language(&mut self, language: &str, range: Range<usize>) {
        if is_other_language(language) {
            return;
        }
        let line = self.text[range.start..].lines().next().unwrap_or("");
        let mark = if line.starts_with('~') { '~' } else { '`' };
        let fence = line.len() - line.trim_start_matches(mark).len();
        self.edits.replace(range.start + fence..range.start + line.len(), "text");
    }

    fn escape_html(&mut self, range: Range<usize>) {
        for (offset, _) in self.text[range.clone()].match_indices('<') {
            self.edits.insert(range.start + offset, "\\");
        }
    }

    /// Gives a continued line of a list item exactly the indentation of the item's text; clippy
    /// objects to less and to more.
    fn align_continuation(&mut self, line_start: usize) {
        if self.quotes > 0 {
            return;
        }
        let Some(&column) = self.items.last() else { return };
        let line_start = self.line_start(line_start);
        let indent = leading_spaces(&self.text[line_start..]);
        if indent != column {
            self.edits.replace(line_start..line_start + indent, " ".repeat(column));
        }
    }

    fn treat_link(&mut self, link: OpenLink) {
        let Range { start, end } = link.range;
        match link.treatment {
            LinkTreatment::Keep => {}
            LinkTreatment::Escape => {
                self.edits.insert(start, "\\");
                let brackets = self.text[link.text_end..end].replace('[', "\\[").replace(']', "\\]");
                self.edits.replace(link.text_end..end, brackets);
            }
            LinkTreatment::Unlink => {
                self.edits.delete(start..start + 1);
                self.edits.delete(link.text_end..end);
            }
        }
    }

    /// Puts `<…>` around bare URLs. A URL may run on past the text at hand, where an underscore in
    /// it looks like emphasis, so its end is looked for in the whole comment.
    fn link_urls(&mut self, range: Range<usize>) {
        let mut from = range.start;
        while let Some(start) = find_url(&self.text[from..range.end]).map(|offset| from + offset) {
            let end = start + url_length(&self.text[start..]);
            self.edits.replace(start..end, format!("<{}>", &self.text[start..end]));
            from = end.min(range.end);
        }
    }

    fn line_start(&self, position: usize) -> usize {
        self.text[..position].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// The column at which the text of a list item starts. The item may start with the spaces
    /// before its bullet.
    fn item_text_column(&self, item_start: usize) -> usize {
        let bullet = item_start + leading_spaces(&self.text[item_start..]);
        let item = &self.text[bullet..];
        let marker = item.find(' ').unwrap_or(1);
        let spaces = leading_spaces(&item[marker..]);
        // More than four spaces are one space and an indented example.
        let spaces = if (1..=4).contains(&spaces) { spaces } else { 1 };
        bullet - self.line_start(bullet) + marker + spaces
    }
}

fn link_treatment(link_type: LinkType, destination: &str) -> LinkTreatment {
    match link_type {
        LinkType::ShortcutUnknown | LinkType::CollapsedUnknown => LinkTreatment::Escape,
        LinkType::ReferenceUnknown => LinkTreatment::Unlink,
        LinkType::Inline if !destination.contains("://") && !destination.starts_with("mailto:") => {
            LinkTreatment::Unlink
        }
        _ => LinkTreatment::Keep,
    }
}

fn is_unresolved(link_type: LinkType) -> bool {
    matches!(link_type, LinkType::ShortcutUnknown | LinkType::CollapsedUnknown | LinkType::ReferenceUnknown)
}

/// Whether rustdoc will see that a fenced example is not Rust: one plain word that is no
/// instruction to rustdoc.
fn is_other_language(language: &str) -> bool {
    if language.is_empty() || !language.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '+') {
        return false;
    }
    let instruction =
        ["rust", "ignore", "should", "no_run", "compile", "test", "standalone", "edition", "custom"];
    let error_code = language.len() == 5
        && language.starts_with('E')
        && language[1..].chars().all(|digit| digit.is_ascii_digit());
    !error_code && !instruction.iter().any(|word| language.starts_with(word))
}

fn find_url(text: &str) -> Option<usize> {
    [text.find("http://"), text.find("https://")].into_iter().flatten().min()
}

/// How far a URL reaches, without the punctuation of the sentence around it.
fn url_length(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || "<>()[]{}\"'`|".contains(c);
    let url = &text[..text.find(ends).unwrap_or(text.len())];
    url.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']).len()
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
