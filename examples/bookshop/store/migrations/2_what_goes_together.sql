-- Recommendations look for books of an author, and for books with a tag.
CREATE INDEX book_by_author ON book (author);
CREATE INDEX tag_by_word ON tag (word, book);
