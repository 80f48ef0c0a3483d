//! What rustdoc would object to, and what becomes of it.

use std::cell::RefCell;

use pulldown_cmark::{BrokenLink, CodeBlockKind, Event, Parser, Tag};

use super::{RUSTDOC_OPTIONS, Reading, is_other_language, rustdoc_lines};

fn rustdoc(comment: &str) -> String {
    rustdoc_lines(comment).join("\n")
}

#[test]
fn plain_sentences_stay_as_they_are() {
    assert_eq!(
        rustdoc(" A book.\n\n It has *pages* and a `title`.\n"),
        "A book.\n\nIt has *pages* and a `title`."
    );
}

#[test]
fn an_empty_comment_says_nothing() {
    assert!(rustdoc_lines(" \n\n").is_empty());
}

#[test]
fn an_indented_example_is_fenced() {
    assert_eq!(
        rustdoc(" For example:\n\n     GET /v1/books\n       ?page=2\n\n     GET /\n\n and so on.\n"),
        "For example:\n\n```text\nGET /v1/books\n  ?page=2\n\nGET /\n```\n\nand so on."
    );
}

#[test]
fn an_indented_example_in_a_list_is_fenced_inside_its_item() {
    assert_eq!(
        rustdoc(" - One:\n\n       a = 1;\n\n - Two\n"),
        "- One:\n\n  ```text\n  a = 1;\n  ```\n\n- Two"
    );
    assert_eq!(rustdoc(" -     a = 1;\n       b = 2;\n"), "- ```text\n  a = 1;\n  b = 2;\n  ```");
}

#[test]
fn a_fenced_example_is_never_taken_for_rust() {
    assert_eq!(rustdoc(" ```\n x[0]\n ```\n"), "```text\nx[0]\n```");
    assert_eq!(rustdoc(" ```rust\n x\n ```\n"), "```text\nx\n```");
    assert_eq!(rustdoc(" ~~~ignore, json\n x\n ~~~\n"), "~~~text\nx\n~~~");
    assert_eq!(rustdoc(" ```json\n {}\n ```\n"), "```json\n{}\n```");
}

#[test]
fn brackets_that_are_no_link_are_escaped() {
    assert_eq!(rustdoc(" A value in [0, 9] or [x].\n"), "A value in \\[0, 9\\] or \\[x\\].");
    assert_eq!(rustdoc(" An index a[i][].\n"), "An index a\\[i\\][].");
    assert_eq!(rustdoc(" Half open [0, 9) and \\[done\\].\n"), "Half open [0, 9) and \\[done\\].");
    assert_eq!(rustdoc(" In code, `a[i]` stays.\n"), "In code, `a[i]` stays.");
}

#[test]
fn references_into_protos_keep_their_words() {
    assert_eq!(rustdoc(" See [Book][bookshop.v1.Book].\n"), "See Book.");
    assert_eq!(rustdoc(" See [`Book`](Book).\n"), "See `Book`.");
    assert_eq!(rustdoc(" See [AIP-127](https://aip.dev/127).\n"), "See [AIP-127](https://aip.dev/127).");
}

#[test]
fn angle_brackets_are_no_html() {
    assert_eq!(
        rustdoc(" A List<Book> and a\n <div>block</div>.\n"),
        "A List\\<Book> and a\n\\<div>block\\</div>."
    );
    assert_eq!(rustdoc(" <div>\n a\n </div>\n"), "\\<div>\na\n\\</div>");
    assert_eq!(rustdoc(" 1 < 2, `Vec<T>`\n"), "1 < 2, `Vec<T>`");
}

#[test]
fn bare_urls_become_links() {
    assert_eq!(
        rustdoc(" See https://aip.dev/127, or (http://a.example/_b_c).\n"),
        "See <https://aip.dev/127>, or (<http://a.example/_b_c>)."
    );
    assert_eq!(
        rustdoc(" See <https://aip.dev>, `https://x.example`.\n"),
        "See <https://aip.dev>, `https://x.example`."
    );
}

#[test]
fn continued_list_items_line_up() {
    assert_eq!(
        rustdoc(" - one\n which goes on\n - two\n     too far\n"),
        "- one\n  which goes on\n- two\n  too far"
    );
    assert_eq!(rustdoc(" 1. one\n  on\n"), "1. one\n   on");
    assert_eq!(rustdoc(" List:\n   - one\n on\n"), "List:\n  - one\n    on");
}

#[test]
fn tabs_and_invisible_characters_do_not_survive() {
    assert_eq!(rustdoc(" a\tb\u{202E}c\r\n"), "a    bc");
}

/// Comments nobody would write, put together from everything Markdown makes something of: the
/// sentences above cannot name every way in which the pieces meet.
#[test]
fn rustdoc_finds_nothing_to_object_to_in_any_comment() {
    let pieces = [
        "    ",
        " ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "> ",
        "```",
        "```rust\n",
        "~~~",
        "[x]",
        "[",
        "]",
        "(",
        ")",
        "[a][b]",
        "<T>",
        "<",
        "<!-- ",
        "-->",
        "https://a.example/_x_",
        "`",
        "é",
        "**",
        "_",
        "\\",
        "!",
        "|",
        "a",
        "b c",
        "# ",
        ": ",
        "<div>",
    ];
    // xorshift: the same comments in every run, and no dependency for them.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for _ in 0..20_000 {
        let comment: String = (0..next(20)).map(|_| pieces[next(pieces.len())]).collect();
        let text = rustdoc(&comment);
        assert!(Reading::new(&text).edits().is_empty(), "{comment:?} is not finished as {text:?}");
        if let Some(objection) = objection(&text) {
            panic!("{comment:?} became {text:?}, with {objection}");
        }
    }
}

/// What rustdoc would warn of or compile.
fn objection(text: &str) -> Option<String> {
    let unresolved = RefCell::new(None);
    let callback = |link: BrokenLink<'_>| {
        *unresolved.borrow_mut() = Some(format!("the link {}", link.reference));
        None
    };
    let events = Parser::new_with_broken_link_callback(text, RUSTDOC_OPTIONS, Some(callback));
    let in_events = events.into_iter().find_map(|event| match event {
        Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => Some("an indented example".to_owned()),
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if !is_other_language(&language) => {
            Some(format!("an example in {language:?}"))
        }
        Event::Html(html) | Event::InlineHtml(html) => Some(format!("the tag {html}")),
        _ => None,
    });
    in_events.or_else(|| unresolved.into_inner())
}
