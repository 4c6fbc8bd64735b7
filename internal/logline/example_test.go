package logline_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-56345083/reprise/internal/logline"
)

func Example() {
	parser, err := logline.NewParser(logline.Format{Name: "json"}, []string{"ts", "id.orig_h", "rtt"})
	if err != nil {
		fmt.Println(err)
		return
	}
	times, err := logline.NewTimeParser("rfc3339")
	if err != nil {
		fmt.Println(err)
		return
	}
	lines := `{"ts":"2018-03-24T17:15:23.533701Z","id.orig_h":"10.47.1.100","rtt":0.00087}
{"ts":"2018-03-24T18:15:24.5+01:00","id":{"orig_h":"10.47.1.101"}}

{"ts":"2018-03-24T17:15`
	values := make([]logline.Value, 3)
	number := int64(0)
	for line := range strings.SplitSeq(lines, "\n") {
		err := parser.Parse(number, []byte(line), values)
		number++
		if errors.Is(err, logline.ErrBlank) {
			continue
		}
		if err != nil {
			fmt.Println("rejected:", err)
			continue
		}
		ts, err := times.Parse(values[0])
		fmt.Println(ts, err, string(values[1].Text), values[2].Present())
	}
	// Output:
	// 2018-03-24T17:15:23.533701Z <nil> 10.47.1.100 true
	// 2018-03-24T17:15:24.5Z <nil> 10.47.1.101 false
	// rejected: json: a string is not closed
}

func ExampleFormat_Validate() {
	fmt.Println(logline.Format{Name: "yaml"}.Validate())
	fmt.Println(logline.Format{Name: "csv"}.Validate())
	fmt.Println(logline.Format{Name: "json", Pattern: ".*"}.Validate())
	// Output:
	// format: "yaml" is not known; use one of json, logfmt, tsv, csv, regex, combined, go
	// columns: missing; format csv needs the name of every column, left to right
	// pattern: only for regex; remove it from format json
}
