package worker_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/seed-56345083/reprise/worker"
)

// orders reads lines such as "1521911720 eu-1 12x450": seconds, shop, pieces and the price of each in cents.
type orders struct{}

func (orders) Version() string              { return "1" }
func (orders) Fields() []string             { return []string{"ts", "shop", "pieces", "cents"} }
func (orders) NewParser() worker.LineParser { return orders{} } // it has no state
func (orders) number(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<50 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// Errors are made once: to refuse a line costs nothing then.
var (
	errWords = errors.New("not three words")
	errOrder = errors.New("no number of pieces and price")
)

func (o orders) Parse(line []byte, r *worker.Record) error {
	if line[0] == '#' {
		return worker.ErrBlank
	}
	seconds, rest, _ := bytes.Cut(line, []byte(" "))
	shop, order, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return errWords
	}
	pieces, price, _ := bytes.Cut(order, []byte("x"))
	n, ok1 := o.number(pieces)
	cents, ok2 := o.number(price)
	if !ok1 || !ok2 {
		return errOrder
	}
	r.Text("ts", seconds) // the configuration says layout: unix
	r.Text("shop", shop)
	r.Int("pieces", n)
	r.Int("cents", n*cents)
	return nil
}

func ExampleRegister() {
	worker.Register("orders", orders{}) // in an init function, in a program of its own

	for _, line := range []string{"1521911720 eu-1 12x450", "# restarted", "1521911720 eu-1 many"} {
		fmt.Println(worker.ParseLine(orders{}, line))
	}
	// Output:
	// map[cents:5400 pieces:12 shop:eu-1 ts:1521911720] <nil>
	// map[] blank line
	// map[] consumer: no number of pieces and price
}
