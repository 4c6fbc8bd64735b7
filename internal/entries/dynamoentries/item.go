package dynamoentries

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/entries"
)

// The attributes of an entry. Producers put the first five.
const (
	id        = "id" // the key of the table
	protocol  = "protocol"
	ts        = "ts"
	line      = "line"
	todo      = "todo"
	processed = "PROCESSED"
	archived  = "ARCHIVED"
	gens      = "gens"
	inBatch   = "batch"
	reason    = "error"
)

// maxKey is how many bytes DynamoDB takes as a key.
const maxKey = 2048

// maxReason is how many bytes of the reason why a line does not count are kept: an entry's item has no room for more.
const maxReason = 1 << 10

// newItem is the item of an entry that is to be put.
func newItem(e entries.Entry) dynamo.Item {
	return dynamo.Item{
		id: dynamo.Text(e.ID), protocol: dynamo.Text(e.Protocol), ts: dynamo.Instant(e.TS), line: dynamo.Readable(e.Line),
		todo: dynamo.Text(entries.Todo(e.Protocol, entries.ShardOf(e.ID))),
	}
}

// errOwn says that an item is none of an entry's, but a batch's or a page's.
var errOwn = errors.New("not an entry")

// entryOf is the entry of an item. What other producers have put there may lack its time, or have one that is none:
// nothing hangs on it. An item that could not be counted, or written to, is an error.
func entryOf(i dynamo.Item) (entries.Entry, error) {
	r := dynamo.Reader{Item: i}
	if isOwn(r.Key(id)) {
		return entries.Entry{}, errOwn
	}
	e := entries.Entry{
		ID: r.Text(id), Protocol: r.Text(protocol), TS: timeOf(r.Key(ts)), Line: r.Bytes(line),
		Processed: truth(&r, processed), Archived: truth(&r, archived), Batch: r.Text(inBatch), Error: r.Text(reason),
	}
	e.Gens = numbers(&r, gens)
	switch _, there := i[line]; {
	case r.Err != nil:
		return entries.Entry{}, r.Err
	case e.Protocol == "" || !there:
		return entries.Entry{}, fmt.Errorf("item %q has no protocol or no line", e.ID)
	case len(e.Line) > entries.MaxLine:
		return entries.Entry{}, fmt.Errorf("the line of item %q has %d bytes, more than %d: there is no room to note anything beside it",
			e.ID, len(e.Line), entries.MaxLine)
	}
	return e, nil
}

// isOwn knows the items that are none of an entry's.
func isOwn(name string) bool { return strings.HasPrefix(name, "batch") }

// timeOf is the time of any RFC 3339 text, zero of other texts.
func timeOf(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// truth is a truth value; another type is an error, because an expression would not take it.
func truth(r *dynamo.Reader, name string) bool {
	switch v := r.Item[name].(type) {
	case nil:
		return false
	case *types.AttributeValueMemberBOOL:
		return v.Value
	default:
		r.Fail(name, v)
		return false
	}
}

// numbers are those of a number set, ascending.
func numbers(r *dynamo.Reader, name string) []int64 {
	var list []int64
	switch v := r.Item[name].(type) {
	case nil:
	case *types.AttributeValueMemberNS:
		for _, text := range v.Value {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				r.Fail(name, text)
			}
			list = append(list, n)
		}
	default:
		r.Fail(name, v)
	}
	slices.Sort(list)
	return list
}

// numberSet is a set of one number.
func numberSet(n int64) types.AttributeValue {
	return &types.AttributeValueMemberNS{Value: []string{strconv.FormatInt(n, 10)}}
}

func textSet(s string) types.AttributeValue {
	return &types.AttributeValueMemberSS{Value: []string{s}}
}

func yes() types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: true} }

// seconds are how DynamoDB wants the time at which it may remove an item.
func seconds(t time.Time) types.AttributeValue { return dynamo.Number(t.Unix()) }

// cut shortens a reason to what is kept of it.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= maxReason {
		return text
	}
	end := maxReason
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// keyOf is the key of an item; false where no item can have it.
func keyOf(name string) (dynamo.Item, bool) {
	return dynamo.Item{id: dynamo.Text(name)}, name != "" && len(name) <= maxKey && utf8.ValidString(name)
}
