package logline

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Consumer reads the lines of a protocol that no format describes. Its author writes it in Go and registers it under a
// name (see [Register]); the configuration says format: go and names it. It decides what fields a line has, and nothing
// else: timestamp, statistics and the limit of bad lines stay those of the configuration.
//
// Consumers are shared by goroutines; the parsers that they make are not. A consumer must be pure: what it makes of a line
// follows from that line and from the consumer's version alone. It may hold tables that it has loaded once and never
// changes, but asks no clock, no network and no other line: the same line is read again after a crash, by another process,
// live and from the archive, and must give the same each time.
type Consumer interface {
	// Version names what the parsers make of a line: 1 to 64 letters, digits, '_', '-' and '.'. It must change whenever a
	// line could give other fields than before, or be refused where it was not: a generation of statistics is counted by
	// one version from its first line to its last, and a process that does not have that version does not count for it.
	Version() string
	// Fields are the names of all fields that a parser may set, so that a field which no line can have is an error of the
	// configuration, and one that is set and is not among them is an error of the parser. nil where any name may come.
	Fields() []string
	// NewParser makes a parser for one goroutine at a time. It is called for each chunk of an object and each batch of
	// incoming lines, so what is dear to load belongs to the consumer.
	NewParser() LineParser
}

// LineParser takes the fields out of lines, one line a call.
type LineParser interface {
	// Parse sets the fields of a line in r. The line comes without line end, is valid until Parse returns, and must not be
	// written to; it may hold any bytes. It is never empty nor only white space: such lines are no records of any format.
	// Whatever the line is, Parse has to return soon: nothing can interrupt it.
	//
	// It returns nil for a record, [ErrBlank] for a line that is none (a comment, a header), and any other error for a line
	// that is refused. The error's text becomes the reason that operators see beside the line's number, cut after 100
	// bytes: it must be short and hold nothing of the line, because it is kept where the line is not. Errors that are made
	// once (errors.New in a variable) cost nothing for each line. A panic refuses the line too; the parser is thrown away
	// then and another one made.
	Parse(line []byte, r *Record) error
}

// ErrConsumer says that this program does not have a Go consumer, or not the version that is asked for.
var ErrConsumer = errors.New("this program does not have the Go consumer")

// maxWord is the longest name and version of a consumer.
const maxWord = 64

// registered is one version of a consumer, with what it said of itself when it was registered.
type registered struct {
	Consumer
	name, version string
	fields        []string
}

// registry holds the consumers of this program by name, the current version of each first.
var registry = struct {
	sync.RWMutex
	consumers map[string][]*registered
}{consumers: map[string][]*registered{}}

// Register makes a consumer known under a name, which the configuration uses: 1 to 64 letters, digits, '_', '-' and '.'.
// It belongs into an init function or to the beginning of main. earlier are versions that generations which exist were
// counted with: without them this program neither replays nor counts live for those; new generations get c.
//
// It panics when a name is registered twice, and over a consumer that is nil, a name, version or field that is not
// valid, or two of one version: all are mistakes in the program.
func Register(name string, c Consumer, earlier ...Consumer) {
	if !word(name) {
		panic(fmt.Sprintf("registering consumer %q: use 1 to %d letters, digits, '_', '-' and '.' for its name", name, maxWord))
	}
	var versions []*registered
	for _, one := range append([]Consumer{c}, earlier...) {
		v, err := describe(name, one)
		if err == nil && slices.ContainsFunc(versions, func(other *registered) bool { return other.version == v.version }) {
			err = fmt.Errorf("there are two of version %s", v.version)
		}
		if err != nil {
			panic(fmt.Sprintf("registering consumer %s: %v", name, err))
		}
		versions = append(versions, v)
	}
	registry.Lock()
	defer registry.Unlock()
	if registry.consumers[name] != nil {
		panic(fmt.Sprintf("registering consumer %s: there is one of this name already", name))
	}
	registry.consumers[name] = versions
}

// describe asks a consumer what it is.
func describe(name string, c Consumer) (*registered, error) {
	if c == nil {
		return nil, errors.New("it is nil")
	}
	v := &registered{Consumer: c, name: name, version: c.Version(), fields: slices.Clone(c.Fields())}
	if !word(v.version) {
		return nil, fmt.Errorf("version %q: use 1 to %d letters, digits, '_', '-' and '.'", v.version, maxWord)
	}
	for i, field := range v.fields {
		switch {
		case field == "" || !utf8.ValidString(field):
			return nil, fmt.Errorf("field %d, %q: give it a name in UTF-8", i+1, field)
		case slices.Contains(v.fields[:i], field):
			return nil, fmt.Errorf("field %q is there twice", field)
		}
	}
	return v, nil
}

func word(s string) bool {
	if s == "" || len(s) > maxWord {
		return false
	}
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// ConsumerVersion is the version that new definitions with this consumer get, empty where this program does not have it.
func ConsumerVersion(name string) string {
	registry.RLock()
	defer registry.RUnlock()
	if versions := registry.consumers[name]; versions != nil {
		return versions[0].version
	}
	return ""
}

// findConsumer finds one version of a consumer; its error is ErrConsumer and says what there is.
func findConsumer(name, version string) (*registered, error) {
	registry.RLock()
	defer registry.RUnlock()
	var there []string
	for _, c := range registry.consumers[name] {
		if c.version == version {
			return c, nil
		}
		there = append(there, c.version)
	}
	if there != nil {
		return nil, fmt.Errorf("%w %s in version %q; it has %s", ErrConsumer, name, version, strings.Join(there, ", "))
	}
	there = slices.Sorted(maps.Keys(registry.consumers))
	if there == nil {
		return nil, fmt.Errorf("%w %q; use a program that is built with it", ErrConsumer, name)
	}
	return nil, fmt.Errorf("%w %q; it has %s", ErrConsumer, name, strings.Join(there, ", "))
}
