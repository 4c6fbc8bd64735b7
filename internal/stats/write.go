package stats

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// WriteCSV writes the rows of one statistic with a header, dimensions first, sorted. A missing value is an empty cell
// and so is an empty text, as CSV has it; use WriteJSON to tell them apart.
func WriteCSV(w io.Writer, p *Partial, statistic string) error {
	dims, measures, ok := p.prog.Columns(statistic)
	if !ok {
		return fmt.Errorf("writing CSV: %w", p.prog.unknown(statistic))
	}
	out := bufio.NewWriter(w)
	var line []byte
	for _, cells := range [][]string{dims, measures} {
		for _, c := range cells {
			line = append(appendCell(line, c), ',')
		}
	}
	line[len(line)-1] = '\n' // there is a measure at least
	if _, err := out.Write(line); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	var err error
	p.rowsOf(p.tables[p.prog.byName[statistic]], func(r Row) bool {
		line = line[:0]
		for _, d := range r.Dims {
			line = append(appendCell(line, d.Text), ',')
		}
		for _, v := range r.Values() {
			line = append(appendCell(line, v), ',')
		}
		line[len(line)-1] = '\n'
		_, err = out.Write(line)
		return err == nil
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// appendCell quotes where RFC 4180 wants it.
func appendCell(dst []byte, s string) []byte {
	if !bytes.ContainsAny([]byte(s), ",\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, bytes.ReplaceAll([]byte(s), []byte{'"'}, []byte(`""`))...)
	return append(dst, '"')
}

// WriteJSON writes the rows of one statistic as a JSON array of objects, dimensions first, in the order of WriteCSV.
// A missing value is null. A text that is no UTF-8 is written as Row.DimsJSON does.
func WriteJSON(w io.Writer, p *Partial, statistic string) error {
	dims, _, ok := p.prog.Columns(statistic)
	if !ok {
		return fmt.Errorf("writing JSON: %w", p.prog.unknown(statistic))
	}
	out := bufio.NewWriter(w)
	line := []byte("[")
	var err error
	p.rowsOf(p.tables[p.prog.byName[statistic]], func(r Row) bool {
		line = append(line, "\n{"...)
		for i, d := range r.Dims {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(appendJSONString(line, dims[i]), ':')
			if d.Null {
				line = append(line, "null"...)
			} else {
				line = appendJSONString(line, d.Text)
			}
		}
		line = append(r.table.appendMembers(line, r.row, len(dims) > 0), '}')
		_, err = out.Write(line)
		line = append(line[:0], ',')
		return err == nil
	})
	if err == nil {
		end := "\n]\n"
		if line[0] == '[' {
			end = "[]\n"
		}
		_, _ = out.WriteString(end) // Flush gives its error
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}
