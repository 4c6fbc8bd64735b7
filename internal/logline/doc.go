// Package logline turns the bytes of one line into the fields that somebody asked for, and the text of a timestamp
// into an instant.
//
// A [Parser] is compiled once from a [Format] and the list of wanted fields; [Parser.Parse] then walks once over the
// bytes of a line, checks the whole of it for structure, and hands out views into it. A [TimeParser] is compiled
// from a layout in the same way. Lines of format go are parsed by a [Consumer] that somebody else wrote and registered.
//
// # What it promises
//
//   - No allocation per line once the buffers have grown, but for one small slice per line of regex: no map, and no
//     copy of a string that needs none.
//   - Whether a line is refused depends on the line and the format alone, never on the wanted fields: a new
//     statistic cannot change which lines count.
//   - JSON is refused exactly where encoding/json refuses it, or where the value is no object.
//   - Whatever the bytes are, nothing panics, and text is handed out as valid UTF-8. A panic of a consumer becomes a bad line.
//   - Everything is pure, consumers excepted, which have to be by their contract: no I/O, no clock, no time zone of the machine. What is kept between lines are buffers, and what
//     the last lines were like, on which nothing but speed depends.
//
// # What it does not
//
// It does not split input into lines, does not bound their length (1 MiB is the reader's business), and does not
// convert numbers: a JSON number stays as it was written, so that whoever sums it decides how.
//
// # Use
//
// A Parser belongs to one goroutine, a TimeParser may be shared. Values are valid until the next call of Parse.
// NewParser and NewTimeParser fail with a text for whoever wrote the configuration. Parse fails with [ErrBlank] for
// a line that is no record, or a [*BadLine], whose reason is static and holds nothing of the line (of a consumer: is short,
// and what the consumer says); both concern this line only.
package logline
