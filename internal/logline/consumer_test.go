package logline

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// scripted is a consumer whose lines say what its parser does: commands between semicolons.
type scripted struct {
	version string
	fields  []string
	made    func() LineParser // nil: a script
}

func (s scripted) Version() string  { return s.version }
func (s scripted) Fields() []string { return s.fields }

func (s scripted) NewParser() LineParser {
	if s.made != nil {
		return s.made()
	}
	return &script{}
}

type script struct {
	seen int
	buf  []byte
}

var errScripted = errors.New("the line says so")

// badText is an error whose text cannot be had.
type badText struct{ text *string }

func (b badText) Error() string { return *b.text }

func (s *script) Parse(line []byte, r *Record) error {
	s.seen++
	for command := range bytes.SplitSeq(line, []byte(";")) {
		verb, rest, _ := bytes.Cut(command, []byte(" "))
		name, value, _ := strings.Cut(string(rest), " ")
		switch string(verb) {
		case "text":
			s.buf = append(s.buf[:0], value...) // one buffer for all
			r.Text(name, s.buf)
		case "string":
			r.String(name, value)
		case "int":
			n, _ := strconv.ParseInt(value, 10, 64)
			r.Int(name, n)
		case "float":
			f, _ := strconv.ParseFloat(value, 64)
			r.Float(name, f)
		case "bool":
			r.Bool(name, value == "true")
		case "time":
			n, _ := strconv.ParseInt(value, 10, 64)
			r.Time(name, time.Unix(0, n).In(time.FixedZone("east", 3600)))
		case "null":
			r.Null(name)
		case "seen":
			r.Int(name, int64(s.seen))
		case "blank":
			return ErrBlank
		case "wrapped":
			return fmt.Errorf("a comment: %w", ErrBlank)
		case "error":
			return errScripted
		case "say":
			return errors.New(string(rest))
		case "index":
			_ = rest[len(rest)+s.seen]
		case "panic":
			panic(string(line))
		case "panicError":
			panic(fmt.Errorf("line %s: %w", line, io.EOF))
		case "badText":
			return badText{}
		case "append": // would overwrite what follows in the reader's buffer
			_ = append(line, "overwritten"...)
		}
	}
	return nil
}

func init() {
	Register("open", scripted{version: "1"})
	Register("declared", scripted{version: "2", fields: []string{"a", "b", "ts"}}, scripted{version: "1", fields: []string{"a"}})
	Register("steady", scripted{version: "1", made: func() LineParser { return steady{} }})
	Register("no-parser", scripted{version: "1", made: func() LineParser { return nil }})
	Register("no-table", scripted{version: "1", made: func() LineParser { panic(errors.New("no table")) }})
}

func TestConsumerLines(t *testing.T) {
	t.Parallel()
	runLines(t, Format{Name: "go", Consumer: "open", Version: "1"}, []string{"a", "b", "a"}, []lineCase{
		{name: "text", line: "text a x y;text b z", want: "'x y' | 'z' | 'x y'"},
		{name: "empty text", line: "text a ;string b ", want: "'' | '' | ''"},
		{name: "invalid UTF-8", line: "text a \xff\xc3\xa9;string b x\xfe", want: "'\ufffdé' | 'x\ufffd' | '\ufffdé'"},
		{name: "integers", line: fmt.Sprintf("int a %d;int b -7", math.MinInt64), want: "number -9223372036854775808 | number -7 | number -9223372036854775808"},
		{name: "floats", line: "float a 0.25;float b 1e300", want: "number 0.25 | number 1e+300 | number 0.25"},
		{name: "no numbers", line: "float a nan;float b -inf", want: "null | null | null"},
		{name: "truth and null", line: "bool a true;null b", want: "bool true | null | bool true"},
		{name: "false", line: "bool b false", want: "missing | bool false | missing"},
		{name: "time", line: "time a 1521911720865716000;time b 0", want: "'2018-03-24T17:15:20.865716Z' | '1970-01-01T00:00:00Z' | '2018-03-24T17:15:20.865716Z'"},
		{name: "the last counts", line: "text a x;text a y;text b z;null b", want: "'y' | null | 'y'"},
		{name: "fields nobody wants", line: "text c x;text  y", want: "missing | missing | missing"},
		{name: "nothing", line: "nothing", want: "missing | missing | missing"},
		{name: "carriage return", line: "text a x\r", want: "'x' | missing | 'x'"},
		{name: "byte order mark", line: "\ufefftext a x", number: -1, want: "'x' | missing | 'x'"},
		{name: "blank", line: "text a x;blank", bad: ErrBlank},
		{name: "wrapped blank", line: "wrapped", bad: ErrBlank},
		{name: "white space", line: " \t", bad: ErrBlank},
		{name: "refused", line: "text a x;error", bad: &BadLine{"open: the line says so"}},
		{name: "control characters", line: "say a\tb\xffc\x1b[31m", bad: &BadLine{"open: a b\ufffdc [31m"}},
		{name: "a long reason", line: "say " + strings.Repeat("é", 90), bad: &BadLine{"open: " + strings.Repeat("é", 50)}},
	})
	runLines(t, Format{Name: "go", Consumer: "declared", Version: "2"}, []string{"b"}, []lineCase{
		{name: "wanted", line: "text a x;text b y", want: "'y'"},
		{name: "undeclared", line: "text b y;text c x", bad: &BadLine{"declared: it set a field that it does not declare"}},
		{name: "null undeclared", line: "null c", bad: &BadLine{"declared: it set a field that it does not declare"}},
		{name: "blank all the same", line: "null c;blank", bad: ErrBlank},
	})
}

// TestConsumerPanics: a panic refuses the line, tells where it was, holds nothing of the line, and leaves a new parser.
func TestConsumerPanics(t *testing.T) {
	t.Parallel()
	p, err := NewParser(Format{Name: "go", Consumer: "open", Version: "1"}, []string{"n"})
	if err != nil {
		t.Fatal(err)
	}
	values := make([]Value, 1)
	for _, c := range []struct{ line, want string }{
		{"panic secret", "a value of type string"},
		{"panicError secret", "a value of type *fmt.wrapError"},
		{"index secret", "index out of range [9] with length 6"},
		{"badText secret", "nil pointer dereference"},
	} {
		for _, line := range []string{"nothing", "seen n"} { // the second line of a parser
			if err := p.Parse(1, []byte(line), values); err != nil {
				t.Fatal(err)
			}
		}
		if got := show(values); got != "number 2" {
			t.Errorf("before %q the parser has seen %s", c.line, got)
		}
		err := p.Parse(1, []byte(c.line), values)
		var bad *BadLine
		if !errors.As(err, &bad) || !strings.HasPrefix(bad.Reason, "open: panic in consumer_test.go:") || !strings.Contains(bad.Reason, c.want) ||
			strings.Contains(bad.Reason, "secret") || len(bad.Reason) > maxWord+2+maxReason {
			t.Errorf("%q: %v", c.line, err)
		}
	}
}

func TestConsumerWithoutParser(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"no-parser": "no-parser: NewParser gave nil",
		"no-table":  "no-table: panic in consumer_test.go:",
	} {
		if _, err := NewParser(Format{Name: "go", Consumer: name, Version: "1"}, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConsumerSteady: in the end a line costs no allocation, whether it is a record or refused.
func TestConsumerSteady(t *testing.T) {
	p, err := NewParser(Format{Name: "go", Consumer: "steady", Version: "1"}, []string{"status", "ts", "took"})
	if err != nil {
		t.Fatal(err)
	}
	values := make([]Value, 3)
	for _, line := range []string{"a line", "!refused", "#blank"} {
		text := []byte(line)
		parse := func() { _ = p.Parse(1, text, values) }
		parse()
		if n := testing.AllocsPerRun(100, parse); n > 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

// steady is a parser of a usual kind.
type steady struct{}

func (steady) Parse(line []byte, r *Record) error {
	switch line[0] {
	case '!':
		return errScripted
	case '#':
		return ErrBlank
	}
	r.Time("ts", time.Unix(1521911720, int64(len(line))))
	r.Text("first", line[:1])
	r.Int("status", 200)
	r.Float("took", 0.125)
	r.String("kind", "letter")
	return nil
}

func BenchmarkConsumer(b *testing.B) {
	p, err := NewParser(Format{Name: "go", Consumer: "steady", Version: "1"}, []string{"status", "ts", "took"})
	if err != nil {
		b.Fatal(err)
	}
	line, values := []byte("a line"), make([]Value, 3)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Parse(1, line, values); err != nil {
			b.Fatal(err)
		}
	}
}

// TestConsumerBoundsReasons: a consumer that makes a text of each line does not fill the memory.
func TestConsumerBoundsReasons(t *testing.T) {
	t.Parallel()
	c, err := findConsumer("open", "1")
	if err != nil {
		t.Fatal(err)
	}
	r := &consumerReader{record: newRecord(nil, nil), consumer: c}
	for i := range 10 * maxReasons {
		if bad := r.read(fmt.Appendf(nil, "say %d", i), nil); bad.Reason != fmt.Sprintf("open: %d", i) {
			t.Fatal(bad)
		}
	}
	if len(r.reasons) != maxReasons {
		t.Errorf("%d reasons are kept", len(r.reasons))
	}
}

// TestConsumerKeepsOffTheLine: what a parser appends to a line does not reach the bytes after it.
func TestConsumerKeepsOffTheLine(t *testing.T) {
	t.Parallel()
	text := []byte("append\nthe next line")
	if _, err := checkParse(t, Format{Name: "go", Consumer: "open", Version: "1"}, nil, 1, text[:6]); err != nil {
		t.Fatal(err)
	}
	if string(text) != "append\nthe next line" {
		t.Errorf("the next line is %q", text[6:])
	}
}

// TestConsumerShared: parsers of one consumer work side by side; run with -race.
func TestConsumerShared(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p, err := NewParser(Format{Name: "go", Consumer: "open", Version: "1"}, []string{"a"})
			if err != nil {
				t.Error(err)
				return
			}
			values := make([]Value, 1)
			for n := range 1000 {
				line := fmt.Appendf(nil, "int a %d", i*1000+n)
				if n%10 == 0 {
					line = []byte("panic")
				}
				err := p.Parse(1, line, values)
				if (err != nil) != (n%10 == 0) || err == nil && string(values[0].Text) != strconv.Itoa(i*1000+n) {
					t.Errorf("%s: %s, %v", line, show(values), err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzConsumer(f *testing.F) {
	for _, seed := range []string{"text a x;int b 5", "text a \xff;string b \xc3", "say \xff\n", "panic", "blank", "float a 1e-7;float b 1e21", "time a -1", ";;", "text a"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.Contains(line, []byte("seen")) || bytes.Contains(line, []byte("index")) {
			return // they depend on the lines before, which a consumer must not
		}
		_, err := checkParse(t, Format{Name: "go", Consumer: "open", Version: "1"}, []string{"a", "b"}, 1, line)
		if err != nil && len(err.Error()) > maxWord+2+3*maxReason {
			t.Fatalf("%q: a reason of %d bytes", line, len(err.Error()))
		}
	})
}

func TestConsumerErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f       Format
		fields  []string
		want    string
		missing bool
	}{
		{f: Format{Name: "go"}, want: "consumer: missing"},
		{f: Format{Name: "go", Consumer: "other"}, want: `consumer: this program does not have the Go consumer "other"; it has declared, no-parser, no-table, open, steady`, missing: true},
		{f: Format{Name: "go", Consumer: "declared", Version: "3"}, want: `consumer: this program does not have the Go consumer declared in version "3"; it has 2, 1`, missing: true},
		{f: Format{Name: "go", Consumer: "open", Version: "1", Pattern: "x"}, want: "pattern: only for regex"},
		{f: Format{Name: "json", Consumer: "open"}, want: "consumer: only for go"},
		{f: Format{Name: "json", Version: "1"}, want: "version: only for go"},
		{f: Format{Name: "go", Consumer: "declared", Version: "2"}, fields: []string{"c"}, want: `field "c": consumer declared does not have it; there are a, b, ts`},
		{f: Format{Name: "go", Consumer: "declared", Version: "1"}, fields: []string{"b"}, want: `field "b": consumer declared does not have it; there are a`},
	} {
		_, err := NewParser(c.f, c.fields)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || errors.Is(err, ErrConsumer) != c.missing {
			t.Errorf("%+v: %v, want %q", c.f, err, c.want)
		}
	}
	if got := ConsumerVersion("declared"); got != "2" {
		t.Errorf("new definitions get version %q", got)
	}
	if got := ConsumerVersion("other"); got != "" {
		t.Errorf("an unknown consumer has version %q", got)
	}
}

func TestRegisterPanics(t *testing.T) {
	t.Parallel()
	good := scripted{version: "1"}
	for _, c := range []struct {
		name      string
		consumers []Consumer
		want      string
	}{
		{"open", []Consumer{good}, "one of this name already"},
		{"", []Consumer{good}, "for its name"},
		{"a b", []Consumer{good}, "for its name"},
		{strings.Repeat("x", 65), []Consumer{good}, "for its name"},
		{"new", []Consumer{nil}, "it is nil"},
		{"new", []Consumer{scripted{}}, `version ""`},
		{"new", []Consumer{scripted{version: "a#b"}}, `version "a#b"`},
		{"new", []Consumer{good, good}, "two of version 1"},
		{"new", []Consumer{good, nil}, "it is nil"},
		{"new", []Consumer{scripted{version: "1", fields: []string{"a", ""}}}, `field 2, ""`},
		{"new", []Consumer{scripted{version: "1", fields: []string{"\xff"}}}, "in UTF-8"},
		{"new", []Consumer{scripted{version: "1", fields: []string{"a", "a"}}}, `field "a" is there twice`},
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "registering consumer ") || !strings.Contains(text, c.want) {
					t.Errorf("%s: %s, want %q", c.name, text, c.want)
				}
			}()
			Register(c.name, c.consumers[0], c.consumers[1:]...)
		}()
	}
	if ConsumerVersion("new") != "" {
		t.Error("what was refused is registered")
	}
}

func TestParseLine(t *testing.T) {
	t.Parallel()
	c := scripted{version: "1"}
	got, err := ParseLine(c, "text a x;int b 5;bool c true;null d;text a \xff\r")
	if want := map[string]any{"a": "\ufffd", "b": "5", "c": true, "d": nil}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for line, want := range map[string]error{"": ErrBlank, "blank": ErrBlank, "error": &BadLine{"consumer: the line says so"}} {
		if got, err := ParseLine(c, line); !errors.Is(err, want) || got != nil {
			t.Errorf("%q: %v, %v", line, got, err)
		}
	}
	c.fields = []string{"a"}
	if _, err := ParseLine(c, "text b x"); !errors.Is(err, &BadLine{"consumer: it set a field that it does not declare"}) {
		t.Error(err)
	}
	if _, err := ParseLine(scripted{}, "x"); err == nil {
		t.Error("a consumer without a version passes")
	}
	c = scripted{version: "1", made: func() LineParser { return nil }}
	if _, err := ParseLine(c, "x"); !errors.Is(err, &BadLine{"consumer: NewParser gave nil"}) {
		t.Error(err)
	}
}
