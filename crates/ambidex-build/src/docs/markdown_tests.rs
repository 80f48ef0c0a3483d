//! What rustdoc would object to, and what becomes of it.

use super::rustdoc_lines;

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
}

#[test]
fn tabs_and_invisible_characters_do_not_survive() {
    assert_eq!(rustdoc(" a\tb\u{202E}c\r\n"), "a    bc");
}
