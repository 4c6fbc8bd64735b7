package stats

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-56345083/reprise/internal/logline"
)

// whereOf compiles an expression over fields whose slots are their positions in names.
func whereOf(t interface{ Fatal(...any) }, source string, names ...string) *where {
	w, err := compileWhere(source, func(field string) int {
		if i := slices.Index(names, field); i >= 0 {
			return i
		}
		t.Fatal("unexpected field " + field + " in " + source)
		return -1
	})
	if err != nil {
		t.Fatal(source + ": " + err.Error())
	}
	return w
}

func inputOf(values ...logline.Value) *input {
	in := &input{values: values, nums: make([]num, len(values))}
	in.next()
	return in
}

func value(kind logline.Kind, text string) logline.Value {
	return logline.Value{Kind: kind, Text: []byte(text)}
}

var someValues = []logline.Value{
	{}, value(logline.Null, "null"), value(logline.Text, ""), value(logline.Text, "80"), value(logline.Text, "a"),
	value(logline.Text, "ab"), value(logline.Text, "1e3"), value(logline.Text, "true"), value(logline.Number, "0"),
	value(logline.Number, "80"), value(logline.Number, "-1"), value(logline.Number, "0.5"), value(logline.Number, "80.0"),
	value(logline.Number, "9223372036854775807"), value(logline.Number, "18446744073709551615"),
	value(logline.Number, "9007199254740993"), value(logline.Bool, "true"), value(logline.Bool, "false"),
	value(logline.Composite, `["a"]`),
}

// simpleExpr draws expressions of the kind that is compiled without the virtual machine, optional fields included.
func simpleExpr() *rapid.Generator[string] {
	field := rapid.SampledFrom([]string{"a", "b.c", `$env["@d"]`})
	constant := rapid.SampledFrom([]string{"0", "80", "-1", "0.5", "80.0", "1e3", "9007199254740992", "9223372036854775807",
		`""`, `"80"`, `"a"`, `"true"`, "true", "false", "nil"})
	text := rapid.SampledFrom([]string{`""`, `"a"`, `"8"`, `"80"`})
	leaf := rapid.Custom(func(t *rapid.T) string {
		f, c := field.Draw(t, "field"), constant.Draw(t, "constant")
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0:
			return f
		case 1:
			op := rapid.SampledFrom([]string{"contains", "startsWith", "endsWith"}).Draw(t, "op")
			return f + " " + op + " " + text.Draw(t, "text")
		case 2:
			list := rapid.SampledFrom([]string{"[]", `["a", "80"]`, "[0, 80, 0.5]", "[80, -1]", `[""]`}).Draw(t, "list")
			return f + rapid.SampledFrom([]string{" in ", " not in "}).Draw(t, "in") + list
		}
		ops := []string{"==", "!=", "<", "<=", ">", ">="}
		if c == "true" || c == "false" || c == "nil" {
			ops = ops[:2]
		}
		op := rapid.SampledFrom(ops).Draw(t, "op")
		if rapid.Bool().Draw(t, "swap") {
			f, c = c, f
		}
		return f + " " + op + " " + c
	})
	return rapid.Custom(func(t *rapid.T) string {
		s := leaf.Draw(t, "leaf")
		for range rapid.IntRange(0, 4).Draw(t, "more") {
			switch rapid.IntRange(0, 2).Draw(t, "join") {
			case 0:
				s = "not (" + s + ")"
			case 1:
				s = "(" + s + ") and (" + leaf.Draw(t, "leaf") + ")"
			default:
				s = "(" + leaf.Draw(t, "leaf") + ") or (" + s + ")"
			}
		}
		return s
	})
}

// TestSimpleIsTheMachine compares the closures with the virtual machine.
func TestSimpleIsTheMachine(t *testing.T) {
	t.Parallel()
	simple := 0
	rapid.Check(t, func(rt *rapid.T) {
		source := simpleExpr().Draw(rt, "where")
		w := whereOf(rt, source, "a", "b.c", "@d")
		if w.simple == nil {
			return
		}
		simple++
		c := newChooser(w)
		values := rapid.SampledFrom(someValues)
		for range 20 {
			in := inputOf(values.Draw(rt, "a"), values.Draw(rt, "b.c"), values.Draw(rt, "@d"))
			if got, want := w.simple(in) == yes, c.run(in); got != want {
				rt.Fatalf("%s over %q: closure %v, machine %v", source, in.values, got, want)
			}
		}
	})
	if simple == 0 {
		t.Error("no expression was simple")
	}
}

// TestWhere pins what expressions mean.
func TestWhere(t *testing.T) {
	t.Parallel()
	missing, null := logline.Value{}, value(logline.Null, "null")
	number, text, boolean := func(s string) logline.Value { return value(logline.Number, s) }, func(s string) logline.Value { return value(logline.Text, s) }, func(s string) logline.Value { return value(logline.Bool, s) }
	tests := []struct {
		source string
		simple bool
		yes    []logline.Value // of the field f
		no     []logline.Value
	}{
		{"f != 0", true, []logline.Value{number("3"), text("3"), text("word"), number("0.1")}, []logline.Value{missing, null, number("0"), text("0"), number("0.0"), number("-0")}},
		{"f < 3", true, []logline.Value{number("2"), text("2.5")}, []logline.Value{missing, number("3"), text("word"), boolean("true")}},
		{"not (f < 3)", true, []logline.Value{number("3")}, []logline.Value{missing, number("2"), text("word")}},
		{"f == 'A' or f == 'AAAA'", true, []logline.Value{text("A"), text("AAAA")}, []logline.Value{missing, null, text("a")}},
		{"f == '80'", true, []logline.Value{text("80"), number("80")}, []logline.Value{text("80.0")}},
		{"f in ['80', 'x']", true, []logline.Value{number("80"), text("x")}, []logline.Value{missing, number("8")}},
		{"f in [80, 443]", true, []logline.Value{number("80"), text("443")}, []logline.Value{missing, number("8"), text("x")}},
		{"f in 400..499", false, []logline.Value{number("404")}, []logline.Value{missing, number("500")}},
		{"f startsWith '10.'", true, []logline.Value{text("10.0.0.1"), number("10.5")}, []logline.Value{missing, text("110.")}},
		{"f matches '^1[0-9]$'", false, []logline.Value{number("12"), text("10")}, []logline.Value{missing, number("2")}},
		{"f", true, []logline.Value{boolean("true")}, []logline.Value{missing, boolean("false"), text("true"), number("1")}},
		{"!f", true, []logline.Value{boolean("false")}, []logline.Value{missing, null, boolean("true"), text("false")}},
		{"f == nil", true, []logline.Value{missing, null}, []logline.Value{text(""), number("0")}},
		{"f != nil and f > 3", true, []logline.Value{number("4")}, []logline.Value{missing, null, number("3")}},
		{"(f ?? 5) > 3", false, []logline.Value{missing, null, number("4")}, []logline.Value{number("3"), text("word")}},
		{"(f ?? 'none') == 'none'", false, []logline.Value{missing, text("none")}, []logline.Value{number("3")}},
		{"len(f) == 2", false, []logline.Value{text("ab"), number("80")}, []logline.Value{missing, text("a")}},
		{"upper(f) == 'GET'", false, []logline.Value{text("get")}, []logline.Value{missing, text("put")}},
		{"f * 2 > 10", false, []logline.Value{number("6"), text("5.5")}, []logline.Value{missing, number("5"), text("word"), boolean("true")}},
		{"f[0] == 'x'", false, nil, []logline.Value{missing, number("5"), text("x")}},
		{"true", true, []logline.Value{missing, number("5")}, nil},
		{"1 < 2 ? f == 1 : false", false, []logline.Value{number("1")}, []logline.Value{missing, number("2")}},
	}
	for _, test := range tests {
		w := whereOf(t, test.source, "f")
		if (w.simple != nil) != test.simple {
			t.Errorf("%s: simple is %v", test.source, w.simple != nil)
		}
		c := newChooser(w)
		for want, values := range map[bool][]logline.Value{true: test.yes, false: test.no} {
			for _, v := range values {
				if got := c.counts(inputOf(v)); got != want {
					t.Errorf("%s with f = %d %q is %v", test.source, v.Kind, v.Text, got)
				}
			}
		}
	}
}

// TestWhereNames pins how fields are named.
func TestWhereNames(t *testing.T) {
	t.Parallel()
	for source, names := range map[string][]string{
		"id.orig_h == '1'":                      {"id.orig_h"},
		"a.b.c.d > 1 and a.b > 1 and a > 1":     {"a.b.c.d", "a.b", "a"},
		`$env["user agent"] contains "curl"`:    {"user agent"},
		`@bytes > 100 and x != "@bytes"`:        {"@bytes", "x"},
		"x > 1 and x == '1'":                    {"x"},
		"lower(a.b) == 'x'":                     {"a.b"},
		"any([1, 2], # == x) and all([1], y>0)": {"x", "y"},
	} {
		w := whereOf(t, source, names...)
		var got []string
		for _, r := range w.refs {
			if name := names[r.slot]; !slices.Contains(got, name) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		slices.Sort(names)
		if !slices.Equal(got, names) {
			t.Errorf("%s: fields %q, want %q", source, got, names)
		}
	}
}

// TestWhereErrors wants errors that show the place, or say what to write.
func TestWhereErrors(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"rcode !":           "(1:7)",
		"rcode != ":         "unexpected token EOF",
		"rcode = 0":         "== and != compare",
		"uper(x) == 'A'":    "did you mean upper",
		"ts > now()":        "the same lines must give the same rows",
		"let y = 1; y == x": "let is not supported",
		"1 + 2":             "expected bool",
		"'a' < 1":           "mismatched types",
		"$env[x] == 1":      "$env[",
		"@bytes > ":         "@bytes > ",
		"x.foo(1)":          "there is no function x.foo",
		"x matches '('":     "missing closing )",
	} {
		_, err := compileWhere(source, func(string) int { return 0 })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", source, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), bytesName) || strings.Contains(err.Error(), "v:")) {
			t.Errorf("%s: error shows internal names: %v", source, err)
		}
	}
}
