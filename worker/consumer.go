package worker

import "github.com/seed-56345083/reprise/internal/logline"

// Consumer reads the lines of a protocol that no format describes: code that you write, registered with [Register] under
// the name that the configuration uses. Workers, the live consumer and everything else that counts lines use the same one.
//
//	// Version must change whenever a line could give other fields than before, or be refused where it was not: 1 to 64
//	// letters, digits, '_', '-' and '.'. A generation of statistics is counted by one version from its first line to its
//	// last; a program that does not have that version does not count for it, and says so.
//	Version() string
//	// Fields are the names of all fields that a parser may set: a statistic over any other is an error of the
//	// configuration, and setting any other refuses the line. nil where any name may come.
//	Fields() []string
//	// NewParser makes a parser for one goroutine at a time. It is called for each chunk of an object and each batch of
//	// incoming lines: what is dear to load belongs to the consumer, loaded once and never changed.
//	NewParser() LineParser
//
// Goroutines share a consumer, and each has its own parser. Both must be pure: what they make of a line follows from the
// line and the version alone. No clock, no network, no other line: the same line is read again after a crash, by another
// process, live and from the archive, and must give the same each time.
type Consumer = logline.Consumer

// LineParser takes the fields out of lines, one line a call.
//
//	Parse(line []byte, r *Record) error
//
// The line comes without its line end, is valid until Parse returns, and must not be written to; it may hold any bytes, but is
// never empty nor only white space. Parse sets fields in r and returns nil for a record, [ErrBlank] for a line that is no
// record (a comment, a header), or any other error for a line that is refused: it is counted as rejected, and the error's
// text is shown beside its number. The text is cut after 100 bytes; it must hold nothing of the line, because it is kept
// where the line is not. A panic refuses the line as well, and another parser goes on. Parse has to return soon whatever
// the line is: nothing can interrupt it.
type LineParser = logline.LineParser

// Record takes the fields of a line. What is handed over is copied; fields that no statistic uses are dropped at once, so set
// whatever there is. Of repeated fields the last one counts.
//
//	Text(name string, text []byte)
//	String(name, text string)
//	Int(name string, n int64)
//	Float(name string, f float64)      // null where it is infinite or no number
//	Bool(name string, b bool)          // summed as 1 and 0
//	Time(name string, t time.Time)
//	Null(name string)                  // the field is there and has no value
//
// A text that is a number, such as 12 or -0.5e3, is summed and compared like one. Time is written as RFC 3339, which is what
// the configuration's layout reads unless it says otherwise. Bytes of a text that are not UTF-8 become U+FFFD.
type Record = logline.Record

// ErrBlank says that a line is no record. Such lines have a number, and are counted apart.
var ErrBlank = logline.ErrBlank

// Register makes a consumer known to this program, from an init function or the beginning of main. earlier are versions that
// generations which exist were counted with: to have them keeps those generations counted, live too, until a replay with
// the new version has taken their place. New generations get c.
//
// Register panics over a name that is registered already, and over a name, a version or a field that is not valid.
func Register(name string, c Consumer, earlier ...Consumer) { logline.Register(name, c, earlier...) }

// ParseLine lets a consumer parse one line as a worker would, and returns all fields that it sets: texts and numbers as
// strings, truth values as bool, nil for null. It is for the tests of a consumer. The error is ErrBlank, or says why the line
// is refused.
func ParseLine(c Consumer, line string) (map[string]any, error) { return logline.ParseLine(c, line) }
