package stats

import "errors"

var errSkeleton = errors.New("not written yet")

// Program is a compiled definition. It does not change and may be used by any number of goroutines.
type Program struct {
	def Definition
}

// Compile checks a definition and compiles it. Its errors name the protocol, the statistic and the key, and say what
// to do.
func Compile(d Definition) (*Program, error) { return &Program{def: d}, nil }

// Definition is what the program was compiled from.
func (p *Program) Definition() Definition { return p.def }

// Name is the protocol's.
func (p *Program) Name() string { return p.def.Protocol }

// Statistics are the names of the statistics, in the definition's order.
func (p *Program) Statistics() []string { return nil }

// Columns are the names of a statistic's dimensions and measures, in the definition's order; ok is false for an
// unknown statistic.
func (p *Program) Columns(statistic string) (dims, measures []string, ok bool) { return nil, nil, false }

// Fields are the fields that the program looks up in a line, each once.
func (p *Program) Fields() []string { return nil }
