package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// The kinds of a scalar in a file.
const (
	kindText   = "text"
	kindNumber = "number"
	kindBool   = "truth value"
)

// scalarText gives a scalar as written and its kind, an empty kind for anything else.
func scalarText(n ast.Node) (text, kind string) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, kindText
	case *ast.LiteralNode:
		return n.Value.Value, kindText
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, kindNumber
	case *ast.BoolNode:
		return n.GetToken().Value, kindBool
	}
	return "", ""
}

// kindOf names what a node is.
func kindOf(n ast.Node) string {
	switch _, kind := scalarText(n); kind {
	case kindText:
		return kind
	case kindNumber, kindBool:
		return "a " + kind
	}
	switch n.(type) {
	case ast.MapNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	}
	return "something else"
}

var (
	typeDuration = reflect.TypeFor[time.Duration]()
	typeText     = reflect.TypeFor[encoding.TextUnmarshaler]()
	typeBytes    = reflect.TypeFor[Bytes]()
)

// isText reports whether a type is written as one scalar, and never as a map.
func isText(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Int, reflect.Int64, reflect.Bool, reflect.Float64:
		return true
	}
	return t != typeLive && reflect.PointerTo(t).Implements(typeText)
}

// wantsText reports whether a scalar of the type is text in YAML's eyes.
func wantsText(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.Bool:
		return t == typeDuration
	}
	return true
}

// isNumberText reports whether a number of the type may be written with a suffix.
func isNumberText(t reflect.Type) bool { return t == typeBytes }

// wanted says what to write for a type.
func wanted(t reflect.Type) string {
	switch {
	case t == typeDuration:
		return "a duration such as 30s or 5m"
	case t == typeBytes:
		return "a size such as 64KiB or 16MiB"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	}
	return "one value"
}

// setText sets a scalar from its text.
func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch {
	case v.Type() == typeDuration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration; write one such as 30s, 5m or 1h30m", text)
		}
		v.SetInt(int64(d))
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(int64(n))
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	default:
		return fmt.Errorf("cannot be set from text (%s)", v.Type())
	}
	return nil
}

// tags are the keys of a struct, in its order.
func tags(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name[0] != ',' {
			names = append(names, name)
		}
	}
	return names
}

func fieldByTag(t reflect.Type, tag string) reflect.StructField {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == tag {
			return t.Field(i)
		}
	}
	panic("no field of " + t.String() + " is tagged " + tag)
}

func fieldValue(v reflect.Value, tag string) reflect.Value {
	return v.FieldByIndex(fieldByTag(v.Type(), tag).Index)
}

// fieldByRole finds the field of a tag that is no key; the zero Value for none.
func fieldByRole(v reflect.Value, role string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == role {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// field finds the value of a key that a variable can set.
func field(v reflect.Value, key string) reflect.Value {
	for part := range strings.SplitSeq(key, ".") {
		v = fieldValue(v, part)
	}
	return v
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
