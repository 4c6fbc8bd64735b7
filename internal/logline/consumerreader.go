package logline

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unicode"
)

const (
	maxReason  = 100 // bytes of an error's text that become a reason
	maxReasons = 64  // reasons that are remembered, so that they cost nothing the next time
)

// badUnrecord stands for ErrBlank, which is no *BadLine.
var badUnrecord = &BadLine{"no record"}

// consumerReader reads lines with the parser of a Go consumer: code that is not ours, and must not end the work on other
// objects.
type consumerReader struct {
	record   Record
	consumer *registered
	parser   LineParser // nil after a panic
	reasons  map[string]*BadLine
}

func newConsumerReader(f Format, wanted []want) (*consumerReader, error) {
	c, err := findConsumer(f.Consumer, f.Version)
	if err != nil {
		return nil, err
	}
	if c.fields != nil {
		for _, w := range wanted {
			if !slices.Contains(c.fields, w.name) {
				return nil, fmt.Errorf("field %q: consumer %s does not have it; there are %s", w.name, c.name, strings.Join(c.fields, ", "))
			}
		}
	}
	r := &consumerReader{record: newRecord(c.fields, wanted), consumer: c}
	if bad := r.guard(r.makeParser); bad != nil {
		return nil, bad
	}
	return r, nil
}

func (r *consumerReader) read(line []byte, values []Value) *BadLine {
	r.record.begin(values)
	return r.parse(line)
}

// parse lets the consumer parse a line, and makes a bad line of what it does wrong.
func (r *consumerReader) parse(line []byte) (bad *BadLine) {
	defer func() {
		if v := recover(); v != nil {
			bad = r.panicked(v)
		}
	}()
	if r.parser == nil {
		r.makeParser()
	}
	switch err := r.parser.Parse(line[:len(line):len(line)], &r.record); {
	case err == nil && r.record.undeclared:
		return r.refuse("it set a field that it does not declare")
	case err == nil:
		return nil
	case errors.Is(err, ErrBlank):
		return badUnrecord
	default:
		return r.refuse(err.Error())
	}
}

// guard calls f, and makes a bad line of a panic.
func (r *consumerReader) guard(f func()) (bad *BadLine) {
	defer func() {
		if v := recover(); v != nil {
			bad = r.panicked(v)
		}
	}()
	f()
	return nil
}

func (r *consumerReader) makeParser() {
	if r.parser = r.consumer.NewParser(); r.parser == nil {
		panic(noParser{})
	}
}

// noParser is what a NewParser that gives nil panics with.
type noParser struct{}

// panicked is the reason of a panic: what went wrong and where. The values of panics other than the runtime's are left
// out, because they may hold the line.
func (r *consumerReader) panicked(value any) *BadLine {
	r.parser = nil // nobody knows what state it is in
	switch value := value.(type) {
	case noParser:
		return r.refuse("NewParser gave nil")
	case runtime.Error:
		return r.refuse("panic " + origin() + value.Error())
	default:
		return r.refuse(fmt.Sprintf("panic %sa value of type %T", origin(), value))
	}
}

// origin is the file and line where the panic began that is being recovered from: "syslog.go:42: ".
func origin() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
	for panicking := false; ; {
		frame, more := frames.Next()
		switch ofRuntime := strings.HasPrefix(frame.Function, "runtime."); {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && !ofRuntime:
			return fmt.Sprintf("in %s:%d: ", frame.File[strings.LastIndexByte(frame.File, '/')+1:], frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// refuse makes a bad line of a text that a consumer chose. There is one value for each text, up to a bound.
func (r *consumerReader) refuse(text string) *BadLine {
	if bad := r.reasons[text]; bad != nil {
		return bad
	}
	bad := &BadLine{r.consumer.name + ": " + printable(text)}
	if len(r.reasons) < maxReasons && len(text) <= maxReason {
		if r.reasons == nil {
			r.reasons = map[string]*BadLine{}
		}
		r.reasons[strings.Clone(text)] = bad
	}
	return bad
}

// printable cuts a text and takes out what is no text.
func printable(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), maxReason)], "\uFFFD")
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, text)
}

// ParseLine lets a consumer parse one line, as a worker would, and returns all fields that it sets: texts and numbers as
// strings, truth values as bool, nil for null. It is meant for the tests of a consumer. The error is ErrBlank, or a
// *BadLine that says why the line is refused.
func ParseLine(c Consumer, line string) (map[string]any, error) {
	described, err := describe("consumer", c)
	if err != nil {
		return nil, err
	}
	r := &consumerReader{record: newRecord(described.fields, nil), consumer: described}
	r.record.all = map[string]Value{}
	p := Parser{reader: r}
	if err := p.Parse(1, []byte(line), nil); err != nil {
		return nil, err
	}
	fields := map[string]any{}
	for name, v := range r.record.all {
		switch v.Kind {
		case Null:
			fields[name] = nil
		case Bool:
			fields[name] = len(v.Text) == len("true")
		default:
			fields[name] = string(v.Text)
		}
	}
	return fields, nil
}
