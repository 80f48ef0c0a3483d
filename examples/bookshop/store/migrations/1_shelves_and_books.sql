-- Names are kept whole, so that their order is the order of lists.
CREATE TABLE shelf (
    name TEXT PRIMARY KEY,
    theme TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE book (
    name TEXT PRIMARY KEY,
    shelf TEXT NOT NULL REFERENCES shelf (name),
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    year INTEGER NOT NULL,
    price_cents INTEGER NOT NULL,
    -- 0 or 1, or nothing where nobody has said.
    in_stock INTEGER,
    update_time_micros INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX book_by_shelf ON book (shelf, name);

CREATE TABLE tag (
    book TEXT NOT NULL REFERENCES book (name) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (book, position)
) STRICT, WITHOUT ROWID;
