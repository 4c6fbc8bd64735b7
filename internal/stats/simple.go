package stats

import (
	"bytes"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/seed-56345083/reprise/internal/logline"
)

// verdict is the value of a test. fails is what the virtual machine reports as an error: it makes the whole
// expression fail, so that `not (a < 1)` is not true where a is a word.
type verdict uint8

const (
	no verdict = iota
	yes
	fails
)

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// test is a compiled expression of the simple kind.
type test func(in *input) verdict

// simplify compiles comparisons of a field with a constant, and their combinations with and, or and not; nil says
// that the expression has more in it. It means what the virtual machine means: a differential test holds that.
func simplify(n ast.Node, slot func(key string) int) test {
	switch n := n.(type) {
	case *ast.BoolNode:
		v := verdictOf(n.Value)
		return func(*input) verdict { return v }
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, asText) {
			return nil
		}
		s := slot(n.Value)
		return func(in *input) verdict {
			if v := in.values[s]; v.Kind == logline.Bool {
				return verdictOf(len(v.Text) == len("true"))
			}
			return fails
		}
	case *ast.UnaryNode:
		if n.Operator != "not" && n.Operator != "!" {
			return nil
		}
		of := simplify(n.Node, slot)
		if of == nil {
			return nil
		}
		return func(in *input) verdict {
			switch of(in) {
			case yes:
				return no
			case no:
				return yes
			}
			return fails
		}
	case *ast.BinaryNode:
		return simplifyBinary(n, slot)
	}
	return nil
}

func simplifyBinary(n *ast.BinaryNode, slot func(key string) int) test {
	switch n.Operator {
	case "and", "&&", "or", "||":
		left, right := simplify(n.Left, slot), simplify(n.Right, slot)
		if left == nil || right == nil {
			return nil
		}
		goOn := verdictOf(n.Operator == "and" || n.Operator == "&&")
		return func(in *input) verdict {
			if v := left(in); v != goOn {
				return v
			}
			return right(in)
		}
	}
	field, constant, op := n.Left, n.Right, n.Operator
	if mirrored, ok := mirror[op]; ok {
		if _, ok := field.(*ast.IdentifierNode); !ok {
			field, constant, op = constant, field, mirrored
		}
	}
	id, ok := field.(*ast.IdentifierNode)
	if !ok {
		return nil
	}
	s := slot(id.Value)
	if strings.HasPrefix(id.Value, asText) {
		return textTest(s, op, constant)
	}
	return valueTest(s, op, constant)
}

// mirror gives the operator with its sides exchanged.
var mirror = map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// textTest compares a field's text with string constants.
func textTest(s int, op string, constant ast.Node) test {
	if op == "in" {
		return textIn(s, constant)
	}
	c, ok := constant.(*ast.StringNode)
	if !ok {
		return nil
	}
	want := []byte(c.Value)
	var holds func(text []byte) bool
	switch op {
	case "==":
		return func(in *input) verdict {
			v := in.values[s]
			return verdictOf(v.Present() && string(v.Text) == string(want))
		}
	case "!=":
		return func(in *input) verdict {
			v := in.values[s]
			return verdictOf(!v.Present() || string(v.Text) != string(want))
		}
	case "<":
		holds = func(t []byte) bool { return bytes.Compare(t, want) < 0 }
	case "<=":
		holds = func(t []byte) bool { return bytes.Compare(t, want) <= 0 }
	case ">":
		holds = func(t []byte) bool { return bytes.Compare(t, want) > 0 }
	case ">=":
		holds = func(t []byte) bool { return bytes.Compare(t, want) >= 0 }
	case "contains":
		holds = func(t []byte) bool { return bytes.Contains(t, want) }
	case "startsWith":
		holds = func(t []byte) bool { return bytes.HasPrefix(t, want) }
	case "endsWith":
		holds = func(t []byte) bool { return bytes.HasSuffix(t, want) }
	default:
		return nil
	}
	// What a nil does here differs between operators; only fields that must be present come this way.
	missing := fails
	if op == "contains" || op == "startsWith" || op == "endsWith" {
		missing = no
	}
	return func(in *input) verdict {
		v := in.values[s]
		if !v.Present() {
			return missing
		}
		return verdictOf(holds(v.Text))
	}
}

func textIn(s int, list ast.Node) test {
	array, ok := list.(*ast.ArrayNode)
	if !ok {
		return nil
	}
	set := make(map[string]bool, len(array.Nodes))
	for _, n := range array.Nodes {
		c, ok := n.(*ast.StringNode)
		if !ok {
			return nil
		}
		set[c.Value] = true
	}
	return func(in *input) verdict {
		v := in.values[s]
		return verdictOf(v.Present() && set[string(v.Text)])
	}
}

// constantNumber reads a number with an optional sign.
func constantNumber(n ast.Node) (num, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return num{kind: numInt, i: int64(n.Value)}, true
	case *ast.FloatNode:
		return num{kind: numFloat, f: n.Value}, true
	case *ast.UnaryNode:
		v, ok := constantNumber(n.Node)
		if !ok || n.Operator != "-" && n.Operator != "+" {
			return num{}, false
		}
		if n.Operator == "-" {
			v.i, v.f = -v.i, -v.f
		}
		return v, true
	}
	return num{}, false
}

// valueTest compares a field's value with a constant that is no string.
func valueTest(s int, op string, constant ast.Node) test {
	switch c := constant.(type) {
	case *ast.NilNode:
		switch op {
		case "==":
			return func(in *input) verdict { return verdictOf(!in.values[s].Present()) }
		case "!=":
			return func(in *input) verdict { return verdictOf(in.values[s].Present()) }
		}
		return nil
	case *ast.BoolNode:
		if op != "==" && op != "!=" {
			return nil
		}
		equal := op == "=="
		return func(in *input) verdict {
			v := in.values[s]
			same := v.Kind == logline.Bool && (len(v.Text) == len("true")) == c.Value
			return verdictOf(same == equal)
		}
	}
	if op == "in" {
		return numberIsIn(s, constant)
	}
	c, ok := constantNumber(constant)
	if !ok {
		return nil
	}
	holds, ok := orderings[op]
	if !ok {
		return nil
	}
	other := fails // of a value that is no number
	switch op {
	case "==":
		other = no
	case "!=":
		other = yes
	}
	return func(in *input) verdict {
		n := in.number(s)
		if n.kind == numNone {
			return other
		}
		return verdictOf(holds(exprCompare(n, &c)))
	}
}

var orderings = map[string]func(int) bool{
	"==": func(d int) bool { return d == 0 },
	"!=": func(d int) bool { return d != 0 },
	"<":  func(d int) bool { return d < 0 },
	"<=": func(d int) bool { return d <= 0 },
	">":  func(d int) bool { return d > 0 },
	">=": func(d int) bool { return d >= 0 },
}

// exprCompare compares as expr does: integers of 64 bits as such, anything else as floats.
func exprCompare(a, b *num) int {
	if a.kind == numInt && b.kind == numInt {
		return cmp(a.i, b.i)
	}
	return cmp(a.float(), b.float())
}

func numberIsIn(s int, list ast.Node) test {
	array, ok := list.(*ast.ArrayNode)
	if !ok {
		return nil
	}
	var set []num
	for _, n := range array.Nodes {
		c, ok := constantNumber(n)
		if !ok {
			return nil
		}
		set = append(set, c)
	}
	return func(in *input) verdict {
		n := in.number(s)
		if n.kind == numNone {
			return no
		}
		for i := range set {
			if exprCompare(n, &set[i]) == 0 {
				return yes
			}
		}
		return no
	}
}
