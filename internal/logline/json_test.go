package logline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestJSONValues(t *testing.T) {
	t.Parallel()
	runLines(t, Format{Name: "json"}, []string{"a", "id.orig_h", "long_key_with_more"}, []lineCase{
		{name: "kinds", line: `{"a":"x","id.orig_h":1,"long_key_with_more":true}`, want: "'x' | number 1 | bool true"},
		{name: "nothing", line: `{}`, want: "missing | missing | missing"},
		{name: "nothing with space", line: " { \t} \r", want: "missing | missing | missing"},
		{name: "null", line: `{"a":null,"long_key_with_more":false}`, want: "null | missing | bool false"},
		{name: "composite", line: `{"a":{"b":[1,{}]},"id.orig_h":[ ],"long_key_with_more":{ }}`,
			want: `composite {"b":[1,{}]} | composite [ ] | composite { }`},
		{name: "numbers as written", line: `{"a":-0.10e+05,"id.orig_h":18446744073709551616,"long_key_with_more":0}`,
			want: "number -0.10e+05 | number 18446744073709551616 | number 0"},
		{name: "space everywhere", line: "\t{ \"a\" : \"x\" , \"id.orig_h\"\r:\n1 , \"z\" : [ 1 , { \"y\" : 2 } , [ ] ] } ",
			want: "'x' | number 1 | missing"},
		{name: "empty text", line: `{"a":""}`, want: "'' | missing | missing"},
		{name: "other keys of the same length", line: `{"b":1,"id.orig_p":2,"long_key_with_mose":3}`, want: "missing | missing | missing"},
		{name: "last of repeated keys", line: `{"a":1,"a":"2","a":null,"a":3}`, want: "number 3 | missing | missing"},
		{name: "path", line: `{"id":{"x":0,"orig_h":"p"}}`, want: "missing | 'p' | missing"},
		{name: "key as written wins before", line: `{"id.orig_h":"k","id":{"orig_h":"p"}}`, want: "missing | 'k' | missing"},
		{name: "key as written wins after", line: `{"id":{"orig_h":"p"},"id.orig_h":"k"}`, want: "missing | 'k' | missing"},
		{name: "null as written wins", line: `{"id":{"orig_h":"p"},"id.orig_h":null}`, want: "missing | null | missing"},
		{name: "repeated path replaces all", line: `{"id":{"orig_h":"p"},"id":{"x":1}}`, want: "missing | missing | missing"},
		{name: "repeated path with a scalar", line: `{"id":{"orig_h":"p"},"id":"x"}`, want: "missing | missing | missing"},
		{name: "repeated path with another", line: `{"id":{"orig_h":"p"},"id":{"orig_h":"q"}}`, want: "missing | 'q' | missing"},
		{name: "path through an array", line: `{"id":[{"orig_h":"p"}]}`, want: "missing | missing | missing"},
		{name: "key as written inside", line: `{"x":{"id.orig_h":"p","a":1}}`, want: "missing | missing | missing"},
		{name: "escaped key", line: `{"\u0061":"x","id\u002eorig_h":"k"}`, want: "'x' | 'k' | missing"},
		{name: "escaped path", line: `{"\u0069d":{"orig\u005fh":"p"}}`, want: "missing | 'p' | missing"},
		{name: "escapes", line: `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, want: "'\"\\/\b\f\n\r\té😀' | missing | missing"},
		{name: "lone surrogates", line: `{"a":"\ud83d-\ude00\ud83d\ud83d\ude00\ud83d\n"}`, want: "'\ufffd-\ufffd\ufffd😀\ufffd\n' | missing | missing"},
		{name: "invalid UTF-8", line: "{\"a\":\"x\xff\xc3y\",\"id.orig_h\":\"\\n\xe2\x82\",\"long_key_with_more\":[\"\xff\"]}",
			want: "'x\ufffd\ufffdy' | '\n\ufffd\ufffd' | composite [\"\ufffd\"]"},
		{name: "delete is no control", line: "{\"a\":\"\x7f\u0080\"}", want: "'\x7f\u0080' | missing | missing"},
	})
	runLines(t, Format{Name: "json"}, []string{"a", "a.b", "a.b.c", "a..c", "."}, []lineCase{
		{name: "prefixes of each other", line: `{"a":{"b":{"c":1}}}`,
			want: `composite {"b":{"c":1}} | composite {"c":1} | number 1 | missing | missing`},
		{name: "replaced below", line: `{"a":{"b":{"c":1},"b":2}}`,
			want: `composite {"b":{"c":1},"b":2} | number 2 | missing | missing | missing`},
		{name: "empty keys", line: `{"a":{"":{"c":1}},"":{"":2}}`,
			want: `composite {"":{"c":1}} | missing | missing | number 1 | number 2`},
		{name: "not mixed", line: `{"a.b":{"c":1}}`, want: `missing | composite {"c":1} | missing | missing | missing`},
	})
}

func TestJSONRefuses(t *testing.T) {
	t.Parallel()
	var cases []lineCase
	for line, bad := range map[string]error{
		`{"x":"y`:                        badJSONString,
		`{"x`:                            badJSONString,
		`{"x":"y\`:                       badJSONString,
		`{"x":"y\"}`:                     badJSONString,
		`{"x":1`:                         badJSONEnd,
		`{"x":`:                          badJSONEnd,
		`{"x":[`:                         badJSONEnd,
		`{"x":[1`:                        badJSONEnd,
		`{"x":[1,`:                       badJSONEnd,
		`{"x"`:                           badJSONColon,
		`{"x" 1}`:                        badJSONColon,
		`{`:                              badJSONEnd,
		`{x:1}`:                          badJSONKey,
		`{"x":1,}`:                       badJSONKey,
		`{"x":{"y":1,}}`:                 badJSONKey,
		`{,}`:                            badJSONKey,
		`{"x":[1,]}`:                     badJSONValue,
		`{"x":[,1]}`:                     badJSONValue,
		`{"x":}`:                         badJSONValue,
		`{"x":tru}`:                      badJSONValue,
		`{"x":nul`:                       badJSONValue,
		`{"x":NaN}`:                      badJSONValue,
		`{"x":+1}`:                       badJSONValue,
		`{"x":.5}`:                       badJSONValue,
		`{"x":'y'}`:                      badJSONValue,
		`{"x":truex}`:                    badJSONComma,
		`{"x":1 2}`:                      badJSONComma,
		`{"x":1]`:                        badJSONComma,
		`{"x":[1}}`:                      badJSONComma,
		`{"x":{"y":1]}`:                  badJSONComma,
		`{"x":1x}`:                       badJSONComma,
		`{"x":01}`:                       badJSONNumber,
		`{"x":-}`:                        badJSONNumber,
		`{"x":1.}`:                       badJSONNumber,
		`{"x":1.e5}`:                     badJSONNumber,
		`{"x":1e}`:                       badJSONNumber,
		`{"x":1e+}`:                      badJSONNumber,
		`{"x":-01}`:                      badJSONNumber,
		"{\"x\":\"\t\"}":                 badJSONControl,
		"{\"x\":\"\x00\"}":               badJSONControl,
		"{\"x\t\":1}":                    badJSONControl,
		`{"x":"\x41"}`:                   badJSONEscape,
		`{"x":"\u12g4"}`:                 badJSONEscape,
		`{"x":"\u12`:                     badJSONEscape,
		`{"\q":1}`:                       badJSONEscape,
		`{"x":["\'"]}`:                   badJSONEscape,
		`[]`:                             badJSONTop,
		`"x"`:                            badJSONTop,
		`1`:                              badJSONTop,
		`null`:                           badJSONTop,
		"\x00":                           badJSONTop,
		`not json`:                       badJSONTop,
		"\xef\xbb\xbf{}":                 badJSONTop,
		`{}}`:                            badJSONAfter,
		`{} {}`:                          badJSONAfter,
		`{},`:                            badJSONAfter,
		"{}\v":                           badJSONAfter,
		"{\"x\":\u00a01}":                badJSONValue,
		"{\v\"x\":1}":                    badJSONKey,
		`{"x":{"y":{"z":1}`:              badJSONEnd,
		`{"q":{"y":{"z":1}`:              badJSONEnd,
		`{"q":{`:                         badJSONEnd,
		`{"x":{`:                         badJSONEnd,
		`{"x":1,`:                        badJSONEnd,
		`{"q":{"y":1,`:                   badJSONEnd,
		`{"q":{"y"`:                      badJSONColon,
		`{"q":{"y`:                       badJSONString,
		`{"q":{y:1}}`:                    badJSONKey,
		`{"q":[[1,2],{"y":[{"z":01}]}]}`: badJSONNumber,
	} {
		cases = append(cases, lineCase{name: line, line: line, bad: bad})
		if json.Valid([]byte(line)) && strings.HasPrefix(line, "{") {
			t.Errorf("encoding/json accepts %q", line)
		}
	}
	runLines(t, Format{Name: "json"}, []string{"x", "x.y", "x.y.z"}, cases)
}

// Strings of every length meet every alignment of the eight-byte steps.
func TestJSONStringLengths(t *testing.T) {
	t.Parallel()
	for size := range 40 {
		for at := range size + 1 {
			for _, mark := range []string{"", `\n`, `\"`, "\x1f", "\x80", "\"", " ", "!", "#", "é"} {
				value := strings.Repeat("x", at) + mark + strings.Repeat("y", size-at)
				compareJSON(t, []byte(`{"a":"`+value+`","k":"z"}`))
				compareJSON(t, []byte(`{"`+value+`":1,"a":"`+value))
			}
		}
	}
}

func TestJSONDepth(t *testing.T) {
	t.Parallel()
	nest := func(open, middle, closing string, n int) []byte {
		return []byte(strings.Repeat(open, n) + middle + strings.Repeat(closing, n))
	}
	for _, n := range []int{1, 63, 64, 65, 9998, 9999, 10000, 10001, 50000} {
		compareJSON(t, nest(`{"a":`, "1", "}", n))
		compareJSON(t, nest(`{"id":`, "{}", "}", n))
		compareJSON(t, []byte(`{"a":`+string(nest(`[`, "", "]", n))+`}`))
		compareJSON(t, []byte(`{"b":`+string(nest(`[{"x":`, "[]", "}]", n))+`}`))
		compareJSON(t, nest(`{"a":`, "1", "", n))
	}
	// A wanted path takes part in the count.
	deep := strings.Repeat("a.", 10100) + "a"
	for _, n := range []int{9999, 10000, 10001} {
		line := nest(`{"a":`, "1", "}", n)
		_, err := checkParse(t, Format{Name: "json"}, []string{deep}, 1, line)
		if valid := json.Valid(line); valid != (err == nil) {
			t.Errorf("depth %d: %v, encoding/json says %v", n, err, valid)
		}
	}
}

// compared are the fields of the comparisons with encoding/json.
func compared() []string {
	return []string{"a", "id.orig_h", "b", "b.c", "b.c.d", "key with space", "a.b"}
}

// compareJSON holds the reader against encoding/json: the same verdict, the same values.
func compareJSON(t *testing.T, line []byte) {
	t.Helper()
	values, err := checkParse(t, Format{Name: "json"}, compared(), 1, line)
	stripped := bytes.TrimSuffix(line, []byte("\r"))
	top := bytes.TrimLeft(stripped, " \t\r\n")
	accept := json.Valid(stripped) && len(top) > 0 && top[0] == '{'
	if accept != (err == nil) {
		t.Fatalf("%q: %v, but encoding/json accepts: %v", line, err, accept)
	}
	if err != nil {
		if errors.Is(err, ErrBlank) != blank(stripped) {
			t.Fatalf("%q: %v", line, err)
		}
		return
	}
	want := map[string]json.RawMessage{}
	if err := json.Unmarshal(stripped, &want); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for i, field := range compared() {
		raw, found := lookup(want, field)
		if got := values[i]; !found {
			if got.Kind != Missing {
				t.Fatalf("%q: %s is %s, want it missing", line, field, show(values[i:i+1]))
			}
		} else if expected := decoded(t, raw); show(values[i:i+1]) != expected {
			t.Fatalf("%q: %s is %s, want %s", line, field, show(values[i:i+1]), expected)
		}
	}
}

// lookup finds a field as written, then as a path.
func lookup(object map[string]json.RawMessage, field string) (json.RawMessage, bool) {
	if raw, ok := object[field]; ok {
		return raw, true
	}
	for {
		part, rest, more := strings.Cut(field, ".")
		raw, ok := object[part]
		if !ok || !more {
			return raw, ok
		}
		object = nil
		if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &object) != nil {
			return nil, false
		}
		field = rest
	}
}

// decoded prints a raw value as show would.
func decoded(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		return "'" + s + "'"
	case 'n':
		return "null"
	case 't', 'f':
		return "bool " + string(raw)
	case '{', '[':
		return "composite " + string(appendValid(nil, raw))
	}
	return "number " + string(raw)
}

// The table of wanted keys stays right when it is crowded.
func TestKeysMany(t *testing.T) {
	t.Parallel()
	var fields []string
	var line strings.Builder
	for i := range 3000 {
		fields = append(fields, fmt.Sprintf("k%d.%d", i%7, i))
		fmt.Fprintf(&line, `,"k%d.%d":%d`, i%7, i, i)
	}
	values, err := checkParse(t, Format{Name: "json"}, fields, 1, []byte("{"+line.String()[1:]+"}"))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if string(v.Text) != fmt.Sprint(i) {
			t.Fatalf("%s is %s", fields[i], v.Text)
		}
	}
}
