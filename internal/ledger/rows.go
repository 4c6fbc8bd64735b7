package ledger

import (
	"fmt"
	"strconv"
	"strings"
)

// Row is one row of a statistic as the table keeps it. The ledger does not look into it.
type Row struct {
	Statistic string
	Day       string // of its time bucket (2018-03-24), or "-"
	Key       string // sort key: the dimension values, up to 900 bytes
	Dims      []byte // the dimension values as a JSON array, in full; empty where Key is that array
	Measures  []byte // the measures as a JSON object, for people
	State     []byte // the measures as Reprise merges them
}

// FullDims are the dimension values as a JSON array.
func (r Row) FullDims() []byte {
	if len(r.Dims) == 0 {
		return []byte(r.Key)
	}
	return r.Dims
}

// Part names one writer's share of a generation's rows: a fold's or a live consumer's.
type Part struct {
	Protocol   string
	Generation int64
	Name       string // BasePart or live.<slot>
}

// BasePart is the name of one part of a fold: base.<n>.<shard>.
func BasePart(fold int64, shard int) string { return fmt.Sprintf("base.%d.%d", fold, shard) }

// FoldOf is the number of the fold whose part has that name; false for a live part.
func FoldOf(part string) (int64, bool) {
	rest, ok := strings.CutPrefix(part, "base.")
	number, _, dotted := strings.Cut(rest, ".")
	n, err := strconv.ParseInt(number, 10, 64)
	return n, ok && dotted && err == nil
}

// RowsParams say which rows to read.
type RowsParams struct {
	Protocol   string
	Generation int64
	Statistic  string
	Base       int64 // the fold's number; 0: no base, live parts only
}

// PurgeParams say which rows to remove.
type PurgeParams struct {
	Protocol   string
	Generation int64
	BelowBase  int64 // only rows of folds with a lower number, so that no fold under way can lose any; 0: everything
}
