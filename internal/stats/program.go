package stats

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/seed-56345083/reprise/internal/logline"
)

// Program is a compiled definition. It does not change and may be used by any number of goroutines.
type Program struct {
	def     Definition
	maxLine int
	fields  []string // looked up in each line, each once; the slot of field i is i+1
	bytes   bool     // @bytes is used
	// bytesText says that it is used as a text too, and not only measured as a number.
	bytesText bool
	ts        string // the field of the timestamp
	time      int    // its slot
	layout    string
	stats     []*statistic
	byName    map[string]int
	shape     uint64 // of all statistics: what a blob must have been made for

	coders  sync.Once
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// statistic is a Statistic that was understood.
type statistic struct {
	name     string
	index    int
	by       []string
	buckets  []bucket // per dimension; 0 for a field
	slots    []int    // per dimension; -1 for a time bucket
	time     int      // the dimension that is a time bucket, or -1
	measures []measure
	where    *where // nil counts every line
	seed     uint64 // of row hashes: from the name alone
	shape    uint32 // of a row's state
}

// bytesSlot is the slot of @bytes; the fields of a line follow it.
const bytesSlot = 0

// Compile checks a definition and compiles it. Its errors name the protocol, the statistic and the key, and say what
// to do.
func Compile(d Definition) (*Program, error) { return compile(d, false) }

// CompileRows is Compile for those who read and merge rows and count no lines: the Go consumer that counted them need not
// be in this program, or may be of another version by now. Without it NewTally fails with ErrVersion.
func CompileRows(d Definition) (*Program, error) { return compile(d, true) }

func compile(d Definition, rows bool) (*Program, error) {
	p := &Program{def: d, byName: make(map[string]int)}
	if err := p.compile(rows); err != nil {
		return nil, fmt.Errorf("protocol %s: %w", d.Protocol, err)
	}
	return p, nil
}

// compile compiles a definition. rows says that no line will be counted, so that a consumer may be missing.
func (p *Program) compile(rows bool) error {
	d := p.def
	switch {
	case d.Aggregator != 0 && d.Aggregator != Version:
		return fmt.Errorf("%w: it needs aggregator %d, this program has %d; use the release that has it", ErrVersion, d.Aggregator, Version)
	case !plainName(d.Protocol):
		return fmt.Errorf("name %q: use letters, digits, '_', '-' and '.'", d.Protocol)
	case d.MaxLine < 0:
		return fmt.Errorf("max_line %d: give a number of bytes above 0", d.MaxLine)
	case len(d.Stats) == 0:
		return errors.New("stats: add at least one statistic")
	case len(d.Stats) > MaxStatistics:
		return fmt.Errorf("stats: %d statistics; a protocol has at most %d, split it", len(d.Stats), MaxStatistics)
	}
	if p.maxLine = d.MaxLine; p.maxLine == 0 {
		p.maxLine = DefaultMaxLine
	}
	formatErr := d.Format.Validate()
	missing := errors.Is(formatErr, logline.ErrConsumer)
	switch {
	case missing && !rows:
		return fmt.Errorf("%w: format: %w", ErrVersion, formatErr)
	case formatErr != nil && !missing:
		return fmt.Errorf("format: %w", formatErr)
	}
	if err := p.compileTime(); err != nil {
		return err
	}
	for i, s := range d.Stats {
		if err := p.compileStatistic(i, s); err != nil {
			return fmt.Errorf("statistic %s: %w", s.Name, err)
		}
	}
	p.shape = p.shapeOf()
	if missing {
		return nil
	}
	_, err := p.newParser()
	return err
}

// newParser makes a parser of the program's fields, for one goroutine.
func (p *Program) newParser() (*logline.Parser, error) {
	parser, err := logline.NewParser(p.def.Format, p.fields)
	if errors.Is(err, logline.ErrConsumer) {
		err = fmt.Errorf("%w: format: %w", ErrVersion, err)
	}
	return parser, err
}

func (p *Program) compileTime() error {
	d := p.def
	field, layout := logline.DefaultTimestamp(d.Format.Name)
	if d.Timestamp != "" {
		field = d.Timestamp
	}
	if d.Layout != "" {
		layout = d.Layout
	}
	if field == "" {
		return errors.New("timestamp: name the field of a line's timestamp")
	}
	if field == bytesField {
		return fmt.Errorf("timestamp: %s is no timestamp", bytesField)
	}
	if _, err := logline.NewTimeParser(layout); err != nil {
		return fmt.Errorf("layout: %w", err)
	}
	p.ts, p.layout = field, layout
	p.time = p.slot(field)
	return nil
}

// slot gives the slot of a field, a new one where it has none yet.
func (p *Program) slot(field string) int {
	if field == bytesField {
		p.bytes = true
		return bytesSlot
	}
	if i := slices.Index(p.fields, field); i >= 0 {
		return i + 1
	}
	p.fields = append(p.fields, field)
	return len(p.fields)
}

// plainName reports whether a name can be a part of keys and paths.
func plainName(s string) bool {
	if s == "" || len(s) > 100 {
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

func (p *Program) compileStatistic(index int, d Statistic) error {
	if !plainName(d.Name) {
		return fmt.Errorf("name %q: use up to 100 letters, digits, '_', '-' and '.'", d.Name)
	}
	if _, again := p.byName[d.Name]; again {
		return errors.New("there are two statistics of this name; rename one")
	}
	s := &statistic{name: d.Name, index: index, by: slices.Clone(d.By), time: -1, seed: xxhash.Sum64String(d.Name)}
	if err := p.compileBy(s); err != nil {
		return fmt.Errorf("by: %w", err)
	}
	p.bytesText = p.bytesText || slices.Contains(s.slots, bytesSlot)
	if err := p.compileMeasures(s, d.Measures); err != nil {
		return fmt.Errorf("measures: %w", err)
	}
	if strings.TrimSpace(d.Where) != "" {
		w, err := compileWhere(d.Where, p.slot)
		if err != nil {
			return fmt.Errorf("where: %w", err)
		}
		s.where = w
		p.bytesText = p.bytesText || slices.ContainsFunc(w.refs, func(r fieldRef) bool { return r.slot == bytesSlot })
	}
	s.shape = uint32(xxhash.Sum64String(s.describe())) //nolint:gosec // half of the hash is enough
	p.byName[s.name] = index
	p.stats = append(p.stats, s)
	return nil
}

func (p *Program) compileBy(s *statistic) error {
	for i, name := range s.by {
		if name == "" {
			return errors.New("an empty name; use minute, hour, day or a field")
		}
		if slices.Contains(s.by[:i], name) {
			return fmt.Errorf("%s is there twice; remove one", name)
		}
		w := bucketOf(name)
		s.buckets = append(s.buckets, w)
		if w == 0 {
			s.slots = append(s.slots, p.slot(name))
			continue
		}
		if s.time >= 0 {
			return fmt.Errorf("%s and %s: use one of minute, hour and day; the finer one adds up to the other", s.by[s.time], name)
		}
		s.time = i
		s.slots = append(s.slots, -1)
	}
	return nil
}

func (p *Program) compileMeasures(s *statistic, measures []Measure) error {
	if len(measures) == 0 {
		return errors.New("there are none; add one, such as lines: count")
	}
	for _, d := range measures {
		if d.Name == "" {
			return fmt.Errorf("%q has no name; give it one", d.Func)
		}
		if slices.Contains(s.by, d.Name) {
			return fmt.Errorf("%s: is a dimension too; rename the measure", d.Name)
		}
		if slices.ContainsFunc(s.measures, func(m measure) bool { return m.name == d.Name }) {
			return fmt.Errorf("%s: there are two of this name; rename one", d.Name)
		}
		m, err := parseFunc(d.Func)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		m.name, m.slot = d.Name, -1
		m.label = append(appendJSONString(nil, m.name), ':')
		if m.field != "" {
			m.slot = p.slot(m.field)
			p.bytesText = p.bytesText || m.slot == bytesSlot && m.fn == funcDistinct
			m.moment = m.field == p.ts && (m.fn == funcMin || m.fn == funcMax)
		}
		s.measures = append(s.measures, m)
	}
	return nil
}

// describe is everything that a row of the statistic means, in one spelling.
func (s *statistic) describe() string {
	b := strconv.AppendQuote(nil, s.name)
	for _, by := range s.by {
		b = strconv.AppendQuote(append(b, " by "...), by)
	}
	for _, m := range s.measures {
		b = append(strconv.AppendQuote(append(b, ' '), m.name), m.canonical()...)
		if m.moment {
			b = append(b, " moment"...)
		}
	}
	return string(b)
}

// shapeOf hashes what the rows of all statistics mean, and which lines they count.
func (p *Program) shapeOf() uint64 {
	h := xxhash.New()
	for i, s := range p.stats {
		_, _ = h.WriteString(s.describe()) // never fails
		_, _ = h.WriteString(strconv.Quote(p.def.Stats[i].Where) + "\n")
	}
	return h.Sum64()
}

func (s *statistic) columns() []column {
	cols := make([]column, len(s.measures))
	for i, m := range s.measures {
		cols[i] = m.column()
	}
	return cols
}

// Definition is what the program was compiled from.
func (p *Program) Definition() Definition { return p.def }

// Name is the protocol's.
func (p *Program) Name() string { return p.def.Protocol }

// Statistics are the names of the statistics, in the definition's order.
func (p *Program) Statistics() []string {
	names := make([]string, len(p.stats))
	for i, s := range p.stats {
		names[i] = s.name
	}
	return names
}

// Columns are the names of a statistic's dimensions and measures, in the definition's order; ok is false for an
// unknown statistic.
func (p *Program) Columns(statistic string) (dims, measures []string, ok bool) {
	i, ok := p.byName[statistic]
	if !ok {
		return nil, nil, false
	}
	s := p.stats[i]
	for _, m := range s.measures {
		measures = append(measures, m.name)
	}
	return slices.Clone(s.by), measures, true
}

// Fields are the fields that the program looks up in a line, each once. The pseudo-field @bytes is not among them.
func (p *Program) Fields() []string { return slices.Clone(p.fields) }

// unknown is the error about a statistic that the program does not have.
func (p *Program) unknown(statistic string) error {
	names := p.Statistics()
	if near := nearest(statistic, names); near != "" {
		return fmt.Errorf("protocol %s has no statistic %q; did you mean %s?", p.def.Protocol, statistic, near)
	}
	return fmt.Errorf("protocol %s has no statistic %q; it has %s", p.def.Protocol, statistic, strings.Join(names, ", "))
}

// MaxLine is the length in bytes beyond which a line is rejected.
func (p *Program) MaxLine() int { return p.maxLine }
