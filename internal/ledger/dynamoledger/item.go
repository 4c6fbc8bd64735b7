package dynamoledger

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/seed-56345083/reprise/internal/dynamo"
)

// item is a row of a table, or a part of one.
type item = dynamo.Item

// The names of the keys of all tables.
const (
	partitionKey = "pk"
	sortKey      = "sk"
)

// What DynamoDB takes as a key, in bytes.
const (
	maxPartitionKey = 2048
	maxSortKey      = 1024
)

// keyOf is the key of an item. What DynamoDB cannot hold is refused here: its JSON would silently hold another name.
func keyOf(partition, sort string) (item, error) {
	switch {
	case !utf8.ValidString(partition) || !utf8.ValidString(sort):
		return nil, fmt.Errorf("%q is no UTF-8, DynamoDB cannot hold it as a key", sort)
	case sort == "":
		return nil, errors.New("an empty key, which DynamoDB cannot hold")
	case len(sort) > maxSortKey || len(partition) > maxPartitionKey:
		return nil, fmt.Errorf("a key of %d bytes below one of %d: DynamoDB holds %d and %d: %.80q", len(sort), len(partition), maxSortKey, maxPartitionKey, sort)
	}
	return item{partitionKey: dynamo.Text(partition), sortKey: dynamo.Text(sort)}, nil
}
