package stats

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/seed-56345083/reprise/internal/logline"
)

// where chooses the lines of a statistic. It is immutable; see chooser for one goroutine's use of it.
//
// A field that the expression names must be present and not null, or the line does not count; a field that is
// compared with nil, or stands to the left of ??, is nil instead. A field that is compared with a string, or given
// to a function of strings, is its text; elsewhere its text is a number if it looks like one. What fails at run time
// (a string is not below a number) makes the line not count.
type where struct {
	required []int // slots that must be present
	refs     []fieldRef
	simple   test        // nil where the expression needs the virtual machine
	program  *vm.Program // always there
}

// fieldRef is a field as the virtual machine knows it.
type fieldRef struct {
	key  string
	slot int
	text bool
}

// In the patched expression a field is an identifier of its whole name behind one of these; they cannot be written.
const (
	asValue = "v:"
	asText  = "t:"
)

// bytesName is how @bytes reaches expr, which has no @: a letter of the same width, so that positions stay right.
const (
	bytesField = "@bytes"
	bytesName  = "ªbytes"
)

// compileWhere compiles an expression; slot gives the slot of a field.
func compileWhere(source string, slot func(field string) int) (*where, error) {
	resolve := &fieldPatcher{}
	collect := &fieldCollector{optional: map[string]bool{}, roles: map[string]bool{}}
	program, err := expr.Compile(nameBytes(source),
		expr.Env(map[string]any{}),
		expr.AllowUndefinedVariables(),
		expr.AsBool(),
		expr.Optimize(false), // it would change how a nil and a number are looked up in a list
		expr.DisableBuiltin("now"),
		expr.Patch(resolve),
		expr.Patch(collect),
	)
	if collect.err != nil {
		return nil, collect.err
	}
	if err != nil {
		var at *file.Error
		if errors.As(err, &at) {
			text := strings.NewReplacer(bytesName, bytesField, asValue, "", asText, "",
				`unexpected token Operator("=")`, `unexpected "="; == and != compare`).Replace(at.Error())
			return nil, errors.New(text)
		}
		return nil, err
	}
	w := &where{program: program}
	for _, key := range collect.order {
		field := key[len(asValue):]
		s := slot(field)
		w.refs = append(w.refs, fieldRef{key: key, slot: s, text: strings.HasPrefix(key, asText)})
		if !collect.optional[field] && !slices.Contains(w.required, s) {
			w.required = append(w.required, s)
		}
	}
	w.simple = simplify(collect.root, func(key string) int {
		i := slices.Index(collect.order, key)
		return w.refs[i].slot
	})
	return w, nil
}

// nameBytes replaces @bytes outside of string literals.
func nameBytes(source string) string {
	if !strings.Contains(source, bytesField) {
		return source
	}
	var b strings.Builder
	var quote byte
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch {
		case quote != 0 && c == '\\' && quote != '`' && i+1 < len(source):
			b.WriteByte(c)
			i++
			c = source[i]
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\'' || c == '`'):
			quote = c
		case quote == 0 && strings.HasPrefix(source[i:], bytesField):
			b.WriteString(bytesName)
			i += len(bytesField) - 1
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// fieldPatcher turns names into fields: id.orig_h is one field, $env["x y"] is the field x y.
type fieldPatcher struct{}

// Visit sees children before their parents.
func (*fieldPatcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		switch n.Value {
		case "$env":
		case bytesName:
			ast.Patch(node, &ast.IdentifierNode{Value: asValue + bytesField})
		default:
			ast.Patch(node, &ast.IdentifierNode{Value: asValue + n.Value})
		}
	case *ast.MemberNode:
		of, ok := n.Node.(*ast.IdentifierNode)
		name, named := n.Property.(*ast.StringNode)
		switch {
		case !ok || !named:
		case of.Value == "$env":
			ast.Patch(node, &ast.IdentifierNode{Value: asValue + name.Value})
		default:
			ast.Patch(node, &ast.IdentifierNode{Value: of.Value + "." + name.Value})
		}
	}
}

// fieldCollector decides which fields are texts and which may be missing, and refuses what would only fail at run
// time.
type fieldCollector struct {
	root     ast.Node
	optional map[string]bool
	order    []string // keys of fields, as they come
	roles    map[string]bool
	err      error
}

// Visit sees children before their parents, so the roles of an operator's fields are settled when it is seen; the
// fields themselves are collected from the root.
func (c *fieldCollector) Visit(node *ast.Node) {
	c.root = *node
	switch n := (*node).(type) {
	case *ast.CallNode:
		c.refuse(unknownFunction(n))
	case *ast.VariableDeclaratorNode:
		c.refuse(errors.New("let is not supported; write the expression out"))
	case *ast.BuiltinNode:
		if slices.Contains(stringFunctions, n.Name) {
			for i := range n.Arguments {
				textRole(n.Arguments[i])
			}
		}
	case *ast.BinaryNode:
		c.binary(n)
	}
	c.order = c.order[:0]
	clear(c.roles)
	root := c.root
	ast.Walk(&root, (*keyCollector)(c))
}

var stringFunctions = []string{
	"trim", "trimPrefix", "trimSuffix", "upper", "lower", "split", "splitAfter", "replace", "repeat", "indexOf",
	"lastIndexOf", "hasPrefix", "hasSuffix", "len", "string", "date", "fromJSON", "toBase64", "fromBase64",
}

func (c *fieldCollector) refuse(err error) {
	if c.err == nil {
		c.err = err
	}
}

func unknownFunction(n *ast.CallNode) error {
	name, _ := n.Callee.(*ast.IdentifierNode)
	if name == nil {
		return errors.New("only the functions of expr can be called")
	}
	called := strings.TrimPrefix(name.Value, asValue)
	if called == "now" {
		return errors.New("now is not allowed: the same lines must give the same rows whenever they are read")
	}
	if near := nearest(called, builtin.Names); near != "" {
		return fmt.Errorf("there is no function %s; did you mean %s?", called, near)
	}
	return fmt.Errorf("there is no function %s", called)
}

func (c *fieldCollector) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "??":
		c.mayMiss(n.Left)
		return
	case "contains", "startsWith", "endsWith", "matches":
		textRole(n.Left)
		textRole(n.Right)
		return
	case "==", "!=":
		if _, ok := n.Right.(*ast.NilNode); ok {
			c.mayMiss(n.Left)
		}
		if _, ok := n.Left.(*ast.NilNode); ok {
			c.mayMiss(n.Right)
		}
	case "in":
		if list, ok := n.Right.(*ast.ArrayNode); ok && len(list.Nodes) > 0 && !slices.ContainsFunc(list.Nodes, notString) {
			textRole(n.Left)
		}
		return
	case "<", "<=", ">", ">=":
	default:
		return
	}
	if !notString(n.Right) {
		textRole(n.Left)
	}
	if !notString(n.Left) {
		textRole(n.Right)
	}
}

func notString(n ast.Node) bool {
	_, ok := n.(*ast.StringNode)
	return !ok
}

func (c *fieldCollector) mayMiss(n ast.Node) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if len(n.Value) > len(asValue) {
			c.optional[n.Value[len(asValue):]] = true
		}
	case *ast.BinaryNode:
		if n.Operator == "??" {
			c.mayMiss(n.Left)
			c.mayMiss(n.Right)
		}
	}
}

// textRole makes a field its text, also behind a default.
func textRole(n ast.Node) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if field, ok := strings.CutPrefix(n.Value, asValue); ok {
			n.Value = asText + field
		}
	case *ast.BinaryNode:
		if n.Operator == "??" {
			textRole(n.Left)
			textRole(n.Right)
		}
	}
}

// keyCollector lists the keys below a node.
type keyCollector fieldCollector

// Visit implements ast.Visitor.
func (c *keyCollector) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.IdentifierNode)
	if !ok {
		return
	}
	if !strings.HasPrefix(n.Value, asValue) && !strings.HasPrefix(n.Value, asText) {
		(*fieldCollector)(c).refuse(errors.New(`write $env["name"] with the name of a field as a constant`))
		return
	}
	if !c.roles[n.Value] {
		c.roles[n.Value] = true
		c.order = append(c.order, n.Value)
	}
}

// chooser evaluates a where for one goroutine.
type chooser struct {
	where *where
	vm    vm.VM
	env   map[string]any
}

func newChooser(w *where) *chooser {
	return &chooser{where: w, env: make(map[string]any, len(w.refs))}
}

// counts reports whether the line counts.
func (c *chooser) counts(in *input) bool {
	for _, slot := range c.where.required {
		if !in.values[slot].Present() {
			return false
		}
	}
	if c.where.simple != nil {
		return c.where.simple(in) == yes
	}
	return c.run(in)
}

// run asks the virtual machine.
func (c *chooser) run(in *input) bool {
	for _, r := range c.where.refs {
		c.env[r.key] = exprValue(in, r)
	}
	out, err := c.vm.Run(c.where.program, c.env)
	counts, _ := out.(bool)
	return err == nil && counts
}

func exprValue(in *input, r fieldRef) any {
	v := in.values[r.slot]
	switch {
	case !v.Present():
		return nil
	case r.text:
		return string(v.Text)
	case v.Kind == logline.Bool:
		return len(v.Text) == len("true")
	}
	switch n := in.number(r.slot); n.kind {
	case numNone:
		return string(v.Text)
	case numInt:
		return int(n.i)
	default:
		return n.float()
	}
}
