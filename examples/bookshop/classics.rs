//! Owns the hundred books that a new shop begins with: ten shelves of ten, all of them in the public domain.
//!
//! A year is the one in which a work first came out as a whole, and of a play the one of its first performance.
//! Prices are the shop's own idea.

/// A shelf of a new shop.
pub struct ClassicShelf {
    pub id: &'static str,
    pub theme: &'static str,
    pub books: [Classic; 10],
}

/// A book of a new shop.
pub struct Classic {
    pub title: &'static str,
    pub author: &'static str,
    pub year: i32,
    pub price_cents: i64,
    pub tags: &'static str,
}

const fn book(title: &'static str, author: &'static str, year: i32, price_cents: i64, tags: &'static str) -> Classic {
    Classic { title, author, year, price_cents, tags }
}

pub const SHELVES: [ClassicShelf; 10] = [
    ClassicShelf {
        id: "greek-theatre",
        theme: "Greek theatre",
        books: [
            book("The Persians", "Aeschylus", -472, 999, "tragedy war defeat grief"),
            book("Seven Against Thebes", "Aeschylus", -467, 1099, "tragedy war brothers fate"),
            book("Agamemnon", "Aeschylus", -458, 749, "tragedy murder revenge marriage"),
            book("Alcestis", "Euripides", -438, 899, "drama marriage sacrifice death"),
            book("Medea", "Euripides", -431, 999, "tragedy marriage revenge exile"),
            book("Hippolytus", "Euripides", -428, 1199, "tragedy love family gods"),
            book("The Clouds", "Aristophanes", -423, 849, "comedy satire philosophy school"),
            book("The Trojan Women", "Euripides", -415, 1099, "tragedy war grief women"),
            book("Lysistrata", "Aristophanes", -411, 749, "comedy war peace women"),
            book("Philoctetes", "Sophocles", -409, 999, "tragedy war island deceit"),
        ],
    },
    ClassicShelf {
        id: "adventure",
        theme: "Adventure",
        books: [
            book("Robinson Crusoe", "Daniel Defoe", 1719, 899, "island shipwreck sea survival"),
            book("The Last of the Mohicans", "James Fenimore Cooper", 1826, 899, "frontier war wilderness"),
            book("The Three Musketeers", "Alexandre Dumas", 1844, 899, "friendship duels intrigue france"),
            book("Moby-Dick", "Herman Melville", 1851, 899, "sea whales revenge obsession"),
            book("Treasure Island", "Robert Louis Stevenson", 1883, 1199, "sea pirates treasure island"),
            book("King Solomon's Mines", "H. Rider Haggard", 1885, 949, "africa treasure expedition"),
            book("Kidnapped", "Robert Louis Stevenson", 1886, 1299, "scotland inheritance sea friendship"),
            book("The Prisoner of Zenda", "Anthony Hope", 1894, 749, "intrigue doubles honour love"),
            book("The Call of the Wild", "Jack London", 1903, 849, "dogs wilderness survival gold"),
            book("The Scarlet Pimpernel", "Baroness Orczy", 1905, 799, "revolution france disguise love"),
        ],
    },
    ClassicShelf {
        id: "mystery",
        theme: "Crime and detection",
        books: [
            book("The Woman in White", "Wilkie Collins", 1860, 999, "identity inheritance intrigue marriage"),
            book("Lady Audley's Secret", "Mary Elizabeth Braddon", 1862, 799, "identity marriage secrets murder"),
            book("The Moonstone", "Wilkie Collins", 1868, 1299, "theft detective jewels"),
            book("The Leavenworth Case", "Anna Katharine Green", 1878, 1199, "murder detective inheritance"),
            book("The Mystery of a Hansom Cab", "Fergus Hume", 1886, 949, "murder detective australia secrets"),
            book("The Sign of the Four", "Arthur Conan Doyle", 1890, 699, "detective treasure revenge london"),
            book("The Adventures of Sherlock Holmes", "Arthur Conan Doyle", 1892, 849, "detective stories london"),
            book("The Hound of the Baskervilles", "Arthur Conan Doyle", 1902, 949, "detective moor dogs inheritance"),
            book("The Man Who Was Thursday", "G. K. Chesterton", 1908, 999, "anarchists disguise philosophy london"),
            book("The Innocence of Father Brown", "G. K. Chesterton", 1911, 899, "detective stories priest"),
        ],
    },
    ClassicShelf {
        id: "science-fiction",
        theme: "Science fiction",
        books: [
            book("Frankenstein", "Mary Shelley", 1818, 799, "monster science ambition horror"),
            book("Journey to the Centre of the Earth", "Jules Verne", 1864, 799, "expedition science caves"),
            book("From the Earth to the Moon", "Jules Verne", 1865, 1099, "moon science expedition"),
            book("Erewhon", "Samuel Butler", 1872, 749, "utopia satire machines"),
            book("Flatland", "Edwin Abbott Abbott", 1884, 699, "mathematics satire dimensions"),
            book("Looking Backward", "Edward Bellamy", 1888, 699, "utopia future society"),
            book("A Connecticut Yankee in King Arthur's Court", "Mark Twain", 1889, 699, "time satire knights"),
            book("The Time Machine", "H. G. Wells", 1895, 1099, "time future machines"),
            book("The Invisible Man", "H. G. Wells", 1897, 999, "science ambition madness"),
            book("The War of the Worlds", "H. G. Wells", 1898, 949, "mars invasion machines london"),
        ],
    },
    ClassicShelf {
        id: "gothic",
        theme: "Ghosts and the uncanny",
        books: [
            book("The Castle of Otranto", "Horace Walpole", 1764, 749, "castle ghosts inheritance"),
            book("The Mysteries of Udolpho", "Ann Radcliffe", 1794, 799, "castle secrets love"),
            book("The Monk", "Matthew Lewis", 1796, 799, "monastery temptation horror"),
            book("Melmoth the Wanderer", "Charles Maturin", 1820, 699, "bargain wandering horror"),
            book("The House of the Seven Gables", "Nathaniel Hawthorne", 1851, 899, "house guilt family secrets"),
            book("Uncle Silas", "Sheridan Le Fanu", 1864, 749, "house inheritance secrets"),
            book("In a Glass Darkly", "Sheridan Le Fanu", 1872, 749, "ghosts stories vampires"),
            book("Strange Case of Dr Jekyll and Mr Hyde", "Robert Louis Stevenson", 1886, 949, "doubles science london horror"),
            book("Dracula", "Bram Stoker", 1897, 999, "vampires castle london horror"),
            book("The Turn of the Screw", "Henry James", 1898, 949, "ghosts house governess"),
        ],
    },
    ClassicShelf {
        id: "love",
        theme: "Love and marriage",
        books: [
            book("The Princess of Cleves", "Madame de La Fayette", 1678, 799, "love marriage court france"),
            book("The Sorrows of Young Werther", "Johann Wolfgang von Goethe", 1774, 699, "love letters grief"),
            book("Sense and Sensibility", "Jane Austen", 1811, 1199, "love sisters inheritance manners"),
            book("Pride and Prejudice", "Jane Austen", 1813, 999, "love sisters marriage manners"),
            book("Mansfield Park", "Jane Austen", 1814, 799, "love family house manners"),
            book("Emma", "Jane Austen", 1815, 849, "love matchmaking village manners"),
            book("Jane Eyre", "Charlotte Brontë", 1847, 699, "love governess house secrets"),
            book("Wuthering Heights", "Emily Brontë", 1847, 999, "love moor revenge house"),
            book("Far from the Madding Crowd", "Thomas Hardy", 1874, 999, "love village farm"),
            book("The Age of Innocence", "Edith Wharton", 1920, 699, "love marriage society manners"),
        ],
    },
    ClassicShelf {
        id: "society",
        theme: "Town and country",
        books: [
            book("A Christmas Carol", "Charles Dickens", 1843, 799, "christmas ghosts poverty london"),
            book("Cranford", "Elizabeth Gaskell", 1853, 1299, "village women manners"),
            book("Hard Times", "Charles Dickens", 1854, 899, "industry school poverty"),
            book("Barchester Towers", "Anthony Trollope", 1857, 999, "clergy intrigue satire"),
            book("A Tale of Two Cities", "Charles Dickens", 1859, 1299, "revolution france sacrifice london"),
            book("Adam Bede", "George Eliot", 1859, 799, "village love guilt"),
            book("The Mill on the Floss", "George Eliot", 1860, 1099, "river brothers family"),
            book("Great Expectations", "Charles Dickens", 1861, 1099, "inheritance ambition love london"),
            book("Silas Marner", "George Eliot", 1861, 949, "village gold family"),
            book("The House of Mirth", "Edith Wharton", 1905, 749, "society marriage poverty"),
        ],
    },
    ClassicShelf {
        id: "children",
        theme: "For children",
        books: [
            book("Alice's Adventures in Wonderland", "Lewis Carroll", 1865, 1299, "fantasy dreams nonsense"),
            book("Little Women", "Louisa May Alcott", 1868, 799, "sisters family love"),
            book("The Adventures of Tom Sawyer", "Mark Twain", 1876, 799, "river friendship treasure caves"),
            book("Black Beauty", "Anna Sewell", 1877, 749, "horses cruelty kindness"),
            book("The Adventures of Pinocchio", "Carlo Collodi", 1883, 799, "fantasy puppets school"),
            book("The Jungle Book", "Rudyard Kipling", 1894, 1299, "animals india stories wilderness"),
            book("The Wonderful Wizard of Oz", "L. Frank Baum", 1900, 799, "fantasy friendship magic"),
            book("Anne of Green Gables", "L. M. Montgomery", 1908, 1199, "orphans village friendship school"),
            book("The Wind in the Willows", "Kenneth Grahame", 1908, 1299, "animals river friendship"),
            book("The Secret Garden", "Frances Hodgson Burnett", 1911, 699, "orphans garden house friendship"),
        ],
    },
    ClassicShelf {
        id: "world",
        theme: "From other tongues",
        books: [
            book("Don Quixote", "Miguel de Cervantes", 1605, 799, "knights satire madness friendship"),
            book("Candide", "Voltaire", 1759, 1199, "satire philosophy wandering"),
            book("Dangerous Liaisons", "Choderlos de Laclos", 1782, 1199, "letters intrigue temptation france"),
            book("The Betrothed", "Alessandro Manzoni", 1827, 1199, "love plague italy"),
            book("The Red and the Black", "Stendhal", 1830, 1099, "ambition love france clergy"),
            book("Dead Souls", "Nikolai Gogol", 1842, 799, "satire russia deceit"),
            book("Fathers and Sons", "Ivan Turgenev", 1862, 899, "family russia nihilism"),
            book("Les Misérables", "Victor Hugo", 1862, 699, "poverty revolution france justice"),
            book("Germinal", "Émile Zola", 1885, 749, "industry poverty france revolt"),
            book("The Metamorphosis", "Franz Kafka", 1915, 899, "family transformation alienation"),
        ],
    },
    ClassicShelf {
        id: "ideas",
        theme: "Thought and nature",
        books: [
            book("Utopia", "Thomas More", 1516, 1199, "utopia society politics island"),
            book("The Prince", "Niccolò Machiavelli", 1532, 799, "politics power italy"),
            book("Leviathan", "Thomas Hobbes", 1651, 899, "politics power philosophy"),
            book("The Social Contract", "Jean-Jacques Rousseau", 1762, 949, "politics philosophy society"),
            book("The Wealth of Nations", "Adam Smith", 1776, 849, "economics society industry"),
            book("Critique of Pure Reason", "Immanuel Kant", 1781, 799, "philosophy reason knowledge"),
            book("A Vindication of the Rights of Woman", "Mary Wollstonecraft", 1792, 899, "women politics school"),
            book("Walden", "Henry David Thoreau", 1854, 999, "wilderness solitude philosophy"),
            book("On Liberty", "John Stuart Mill", 1859, 1299, "politics philosophy liberty"),
            book("On the Origin of Species", "Charles Darwin", 1859, 1099, "science animals evolution"),
        ],
    },
];
