package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// decoder walks over the tree of a file and fills a Config. It does this itself rather than let the YAML package do
// it, for three things: every error at once, each with its key and place; maps in the order of the file; and the
// place of every key, which Validate needs later.
type decoder struct {
	src     *source
	anchors map[string]ast.Node
	errs    Errors
}

func (d *decoder) file(text []byte, c *Config) {
	body, e := d.syntax(text)
	if e != nil {
		d.errs = append(d.errs, e)
		return
	}
	if body != nil {
		d.node(body, reflect.ValueOf(c).Elem(), "")
	}
}

// syntax parses the text; nil for one without content. The parser has known panics on hostile input: they are errors
// of the file here.
func (d *decoder) syntax(text []byte) (body ast.Node, e *Error) {
	defer func() {
		if r := recover(); r != nil {
			body, e = nil, &Error{File: d.src.file, Text: fmt.Sprintf("this is no YAML: %v", r)}
		}
	}()
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if bad, ok := errors.AsType[*yaml.SyntaxError](err); ok && bad.Token != nil {
			what := bad.Message
			if strings.Contains(what, "'\t'") {
				what = "a tab; YAML is indented with spaces"
			}
			return nil, d.src.faultAt(tokenPlace(bad.Token), "", "this is no YAML: %s", what)
		}
		return nil, &Error{File: d.src.file, Text: "this is no YAML: " + err.Error()}
	}
	for _, doc := range f.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			return nil, d.src.faultAt(nodePlace(doc.Body), "", "a second document; keep one")
		default:
			body = doc.Body
		}
	}
	return body, nil
}

func (d *decoder) fail(n ast.Node, key, format string, args ...any) {
	d.errs = append(d.errs, d.src.faultAt(nodePlace(n), key, format, args...))
}

// node decodes one value. A null leaves the default as it is, as if the key were not there.
func (d *decoder) node(n ast.Node, v reflect.Value, key string) {
	n, ok := d.plain(n, key)
	if !ok || n.Type() == ast.NullType {
		return
	}
	switch t := v.Type(); {
	case t == typeLive:
		d.live(n, v, key)
	case isText(t):
		d.scalar(n, v, key)
	case t.Kind() == reflect.Struct:
		d.structure(n, v, key)
	case t.Kind() == reflect.Map:
		d.table(n, v, key)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		d.ordered(n, v, key)
	default:
		d.list(n, v, key)
	}
}

// plain follows anchors and aliases and refuses tags. An alias can only name an anchor before it, and the schema
// bounds the depth, so this cannot run away.
func (d *decoder) plain(n ast.Node, key string) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		if d.anchors == nil {
			d.anchors = map[string]ast.Node{}
		}
		d.anchors[n.Name.String()] = n.Value
		return d.plain(n.Value, key)
	case *ast.AliasNode:
		target, ok := d.anchors[n.Value.String()]
		if _, again := target.(*ast.AliasNode); !ok || again {
			d.fail(n, key, "there is no anchor &%s before it; define it first or write the value here", n.Value)
			return nil, false
		}
		return target, true
	case *ast.TagNode:
		d.fail(n, key, "YAML tags such as %s are not used; remove it", n.Start.Value)
		return nil, false
	case nil:
		return nil, false
	}
	return n, true
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, key string) {
	text, kind := scalarText(n)
	switch want := v.Type(); {
	case kind == "":
		d.fail(n, key, "is %s; write %s", kindOf(n), wanted(want))
	case wantsText(want) && kind != kindText:
		d.fail(n, key, "is %s; write %s", kindOf(n), quoted(wanted(want), text))
	case !wantsText(want) && kind == kindText && !isNumberText(want):
		d.fail(n, key, "is text; write %s", wanted(want))
	default:
		if err := setText(v, text); err != nil {
			d.fail(n, key, "%v", err)
		}
	}
}

// quoted adds to what is wanted how a number or truth value becomes text.
func quoted(want, text string) string {
	if want == "text" {
		return fmt.Sprintf("text: put it in quotes, %q", text)
	}
	return want
}

// structure decodes a map whose keys are those of a struct.
func (d *decoder) structure(n ast.Node, v reflect.Value, key string) {
	known := tags(v.Type())
	for name, e := range d.entries(n, key) {
		if !slices.Contains(known, name) {
			d.fail(e.Key, key, "%s", unknownKey(name, known))
			continue
		}
		d.node(e.Value, fieldValue(v, name), join(key, name))
	}
}

func unknownKey(name string, known []string) string {
	if near, ok := nearest(name, known); ok {
		return fmt.Sprintf("unknown key %q; did you mean %s?", name, near)
	}
	return fmt.Sprintf("unknown key %q; known here: %s", name, strings.Join(known, ", "))
}

// table decodes a map whose keys users choose.
func (d *decoder) table(n ast.Node, v reflect.Value, key string) {
	m := reflect.MakeMap(v.Type())
	for name, e := range d.entries(n, key) {
		one := reflect.New(v.Type().Elem()).Elem()
		d.node(e.Value, one, join(key, name))
		m.SetMapIndex(reflect.ValueOf(name), one)
	}
	v.Set(m)
}

// ordered decodes a map into a slice that keeps its order. The field tagged ",key" takes the key, the field tagged
// ",value" the value; without one the value is a map of the other fields.
func (d *decoder) ordered(n ast.Node, v reflect.Value, key string) {
	all := reflect.MakeSlice(v.Type(), 0, 8)
	for name, e := range d.entries(n, key) {
		one := reflect.New(v.Type().Elem()).Elem()
		fieldByRole(one, ",key").SetString(name)
		if value := fieldByRole(one, ",value"); value.IsValid() {
			d.node(e.Value, value, join(key, name))
		} else {
			d.node(e.Value, one, join(key, name))
		}
		all = reflect.Append(all, one)
	}
	v.Set(all)
}

func (d *decoder) list(n ast.Node, v reflect.Value, key string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, key, "is %s; write a list, as in [a, b]", kindOf(n))
		return
	}
	all := reflect.MakeSlice(v.Type(), 0, len(seq.Values))
	for i, one := range seq.Values {
		item := reflect.New(v.Type().Elem()).Elem()
		itemKey := fmt.Sprintf("%s[%d]", key, i)
		d.src.places[itemKey] = nodePlace(one)
		d.node(one, item, itemKey)
		all = reflect.Append(all, item)
	}
	v.Set(all)
}

// entries yields the entries of a map by name, and notes the place of each. A key that is repeated, or no name at
// all, is an error and left out.
func (d *decoder) entries(n ast.Node, key string) func(func(string, *ast.MappingValueNode) bool) {
	return func(yield func(string, *ast.MappingValueNode) bool) {
		m, ok := n.(ast.MapNode)
		if !ok {
			d.fail(n, key, "is %s; write a map, one key: value a line", kindOf(n))
			return
		}
		seen := map[string]int{}
		for it := m.MapRange(); it.Next(); {
			e := it.KeyValue()
			name, ok := keyName(e.Key)
			if !ok {
				d.fail(e.Key, key, "%s", badKey(e.Key))
				continue
			}
			at := nodePlace(e.Key)
			if first, again := seen[name]; again {
				d.fail(e.Key, join(key, name), "is here twice, first in line %d; remove or rename one", first)
				continue
			}
			seen[name] = at.line
			d.src.places[join(key, name)] = at
			if text, kind := scalarText(e.Value); kind != "" && text != "" {
				d.src.places[join(key, name)] = nodePlace(e.Value)
			}
			if !yield(name, e) {
				return
			}
		}
	}
}

func badKey(n ast.MapKeyNode) string {
	if n.IsMergeKey() {
		return "merge keys (<<) are not used; write the keys out, or use an alias for the whole map"
	}
	return "a key must be a plain name"
}

func keyName(n ast.Node) (string, bool) {
	if k, ok := n.(*ast.MappingKeyNode); ok && k.Value != nil {
		n = k.Value
	}
	text, kind := scalarText(n)
	return text, kind != ""
}

func nodePlace(n ast.Node) place {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return nodePlace(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return nodePlace(n.Key)
	}
	return tokenPlace(n.GetToken())
}

func tokenPlace(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{}
	}
	return place{t.Position.Line, t.Position.Column}
}
