package stats

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/axiomhq/hyperloglog"

	"github.com/seed-56345083/reprise/internal/logline"
)

// TestExactSums adds floats of all magnitudes, in two orders and in one pass or two columns, and compares with
// math/big.
func TestExactSums(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // a generator of test data
	for name, draw := range map[string]func() float64{
		"seconds": func() float64 { return r.ExpFloat64() / 100 },
		"cancel":  func() float64 { return (r.Float64() - 0.5) * math.Ldexp(1, r.IntN(200)) },
		"any": func() float64 {
			for {
				if f := math.Float64frombits(r.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
					return f
				}
			}
		},
		"huge": func() float64 { return math.Copysign(math.MaxFloat64, r.Float64()-0.5) },
		"tiny": func() float64 { return math.Float64frombits(r.Uint64N(1 << 54)) },
	} {
		values := make([]float64, 3_000)
		want := new(big.Float).SetPrec(exactPrecision)
		for i := range values {
			values[i] = draw()
			want.Add(want, new(big.Float).SetFloat64(values[i]))
		}
		whole, half, other := &sumColumn{}, &sumColumn{}, &sumColumn{}
		for _, c := range []*sumColumn{whole, half, other} {
			c.grow()
		}
		for _, v := range values {
			whole.addFloat(0, v)
		}
		slices.Reverse(values)
		for i, v := range values {
			[]*sumColumn{half, other}[i%2].addFloat(0, v)
		}
		state := whole.appendState(nil, 0)
		if rest, err := other.mergeState(0, half.appendState(nil, 0)); err != nil || len(rest) != 0 {
			t.Fatal(name, err, len(rest))
		}
		if !slices.Equal(state, other.appendState(nil, 0)) {
			t.Errorf("%s: another order gives another state", name)
		}
		if got, text := string(whole.appendText(nil, 0)), string(appendTotal(nil, want)); got != text {
			t.Errorf("%s: %s, want %s", name, got, text)
		}
		if s := whole.spill[0]; s != nil && len(s.small)+len(s.large) > 80 {
			t.Errorf("%s: %d components", name, len(s.small)+len(s.large))
		}
		t.Logf("%s: %d bytes of state", name, len(state))
	}
}

// TestForgedFloats merges what no sum writes: refused or survived, never a panic.
func TestForgedFloats(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 0x1p1000, 0} {
		c := &sumColumn{}
		c.grow()
		state := appendFloats(append(appendFloats([]byte{sumFloats | sumLarge}, []float64{f, f, f}), nil...), []float64{f})
		for range 100 {
			_, _ = c.mergeState(0, state)
		}
		_ = c.appendText(nil, 0)
		_ = c.appendState(nil, 0)
	}
}

// TestNumbers pins which texts are numbers, and of which kind.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for kind, texts := range map[uint8]string{
		numInt:   "0 -0 +5 007 123456789012345678 999999999999999999 1000000000000000000 9223372036854775807 -9223372036854775808",
		numUint:  "9223372036854775808 +9223372036854775809 18446744073709551615",
		numFloat: "0.0 -0.0 1. .5 +.5 1e5 1E-5 1.5e+3 18446744073709551616 -9223372036854775809 1e-999",
		numNone:  "- + . e 1e 1e+ e5 1.e .e1 1x x1 0x10 Inf NaN nan infinity 1_000 1,5 -- 1-1 1e999 -1e999 １",
	} {
		for _, s := range strings.Fields(texts) {
			if n := numberOf([]byte(s)); n.kind != kind {
				t.Errorf("%s is of kind %d, want %d", s, n.kind, kind)
			}
		}
	}
	if n := numberOf(nil); n.kind != numNone {
		t.Error("nothing is a number")
	}
}

// TestCompare compares numbers of all kinds with each other and with math/big.
func TestCompare(t *testing.T) {
	t.Parallel()
	texts := strings.Fields("0 1 -1 0.5 -0.5 9007199254740992 9007199254740993 9007199254740992.0 9007199254740994.0 9223372036854775807 " +
		"-9223372036854775808 9223372036854775807.0 -9223372036854775808.0 9223372036854775808 18446744073709551615 18446744073709551615.0 1e300 -1e300 9223372036854774784.0 1e19")
	exact := func(n num) *big.Float {
		switch n.kind {
		case numInt:
			return new(big.Float).SetPrec(100).SetInt64(n.i)
		case numUint:
			return new(big.Float).SetPrec(100).SetUint64(uint64(n.i)) //nolint:gosec // the bits are meant
		}
		return new(big.Float).SetFloat64(n.f)
	}
	for _, a := range texts {
		for _, b := range texts {
			x, y := numberOf([]byte(a)), numberOf([]byte(b))
			if got, want := x.compare(y), exact(x).Cmp(exact(y)); got != want {
				t.Errorf("%s against %s: %d, want %d", a, b, got, want)
			}
		}
	}
}

// TestSketchForm holds what distinct counts need of the library: how a dense sketch of precision 14 is written.
func TestSketchForm(t *testing.T) {
	t.Parallel()
	b, err := hyperloglog.NewNoSparse().AppendBinary(nil)
	if err != nil || string(b[:len(sketchHeader)]) != sketchHeader || len(b) != len(sketchHeader)+registers {
		t.Errorf("%v, %d bytes, header %x", err, len(b), b[:len(sketchHeader)])
	}
}

// TestNoAllocations counts lines whose rows are there.
func TestNoAllocations(t *testing.T) { //nolint:paralleltest // counts allocations of the process
	d := Definition{Protocol: "p", Format: logline.Format{Name: "json"}, Timestamp: "ts", Stats: []Statistic{{
		Name: "s", Where: `code != 0 and path != "x" and @bytes > 10`, By: []string{"minute", "path", "code"},
		Measures: []Measure{
			{"lines", "count"}, {"present", "count(n)"}, {"sum", "sum(n)"}, {"rtt", "sum(rtt)"}, {"min", "min(n)"}, {"max", "max(rtt)"},
			{"first", "min(ts)"}, {"h", "histogram(rtt, 0.1, 1)"}, {"paths", "distinct(n)"},
		},
	}}}
	p, err := Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	tally, err := p.NewTally(Rule{All: true})
	if err != nil {
		t.Fatal(err)
	}
	lines := [][]byte{
		[]byte(`{"ts":"2018-03-24T17:15:20.865716Z","path":"/a","code":200,"n":12345,"rtt":0.0008699893951416016}`),
		[]byte(`{"ts":"2018-03-24T17:15:21.865716Z","path":"/b","code":"404","n":"7","rtt":1.5e-9}`),
		[]byte(`{"ts":"2018-03-24T17:15:22Z","code":1,"n":true,"rtt":null,"path":"/c\u0000"}`),
	}
	count := func() {
		for _, l := range lines {
			if o, err := tally.Line(1, l); o != Counted {
				t.Fatal(o, err)
			}
		}
	}
	count()
	if n := testing.AllocsPerRun(100, count); n != 0 {
		t.Errorf("%v allocations for %d lines", n, len(lines))
	}
	if got := tally.Partial().Len(); got != len(lines) {
		t.Errorf("%d rows", got)
	}
}
