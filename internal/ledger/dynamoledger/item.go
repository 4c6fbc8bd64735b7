package dynamoledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// item is a row of a table, or a part of one. Attributes whose value is zero are left out: absent means 0, "", none.
type item = map[string]types.AttributeValue

// The names of the keys of all tables.
const (
	partitionKey = "pk"
	sortKey      = "sk"
)

// What DynamoDB takes, in bytes.
const (
	maxPartitionKey = 2048
	maxSortKey      = 1024
	maxItem         = 400 << 10
	unit            = 1 << 10 // one write unit is for so many bytes
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
func binary(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// instant is how times are stored: RFC 3339 in UTC with nine digits, so that they compare as strings.
func instant(t time.Time) types.AttributeValue { return text(t.UTC().Format(instantLayout)) }

const instantLayout = "2006-01-02T15:04:05.000000000Z"

// readable is text as a string that a person can read in the console, unless it is none.
func readable(b []byte) types.AttributeValue {
	if utf8.Valid(b) {
		return text(string(b))
	}
	return binary(b)
}

// Values that are left out where they are zero: nil stands for that.

func optional(s string) types.AttributeValue {
	if s == "" {
		return nil
	}
	return text(s)
}

func count(n int64) types.AttributeValue {
	if n == 0 {
		return nil
	}
	return number(n)
}

func moment(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return nil
	}
	return instant(t)
}

func blob(b []byte) types.AttributeValue {
	if len(b) == 0 {
		return nil
	}
	return binary(b)
}

// record is v as JSON. None of the types it is called with can fail.
func record[T any](v T, none bool) types.AttributeValue {
	if none {
		return nil
	}
	b, _ := json.Marshal(v)
	return text(string(b))
}

// without leaves out what has no value.
func without(i item) item {
	for name, v := range i {
		if v == nil {
			delete(i, name)
		}
	}
	return i
}

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
	return item{partitionKey: text(partition), sortKey: text(sort)}, nil
}

// reader takes values out of an item. Its first error stays.
type reader struct {
	item item
	err  error
}

func (r *reader) fail(name string, v any) {
	if r.err == nil {
		r.err = fmt.Errorf("attribute %s of item %q %q: unexpected %T", name, r.key(partitionKey), r.key(sortKey), v)
	}
}

func (r *reader) key(name string) string {
	if v, ok := r.item[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (r *reader) text(name string) string {
	switch v := r.item[name].(type) {
	case nil:
		return ""
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		r.fail(name, v)
		return ""
	}
}

func (r *reader) bytes(name string) []byte {
	switch v := r.item[name].(type) {
	case nil:
		return nil
	case *types.AttributeValueMemberB:
		return v.Value
	case *types.AttributeValueMemberS:
		return []byte(v.Value)
	default:
		r.fail(name, v)
		return nil
	}
}

func (r *reader) number(name string) int64 {
	switch v := r.item[name].(type) {
	case nil:
		return 0
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			r.fail(name, v.Value)
		}
		return n
	default:
		r.fail(name, v)
		return 0
	}
}

func (r *reader) instant(name string) time.Time {
	s := r.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		r.fail(name, s)
	}
	return t
}

// record decodes JSON into v; unknown fields are a later version's.
func (r *reader) record(name string, v any) {
	if s := r.text(name); s != "" {
		if err := json.Unmarshal([]byte(s), v); err != nil && r.err == nil {
			r.err = fmt.Errorf("attribute %s of item %q %q: %w", name, r.key(partitionKey), r.key(sortKey), err)
		}
	}
}

// size is about what an item counts for against maxItem, and towards write units.
func size(i item) int {
	n := 0
	for name, v := range i {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += len(v.Value)/2 + 2
		case *types.AttributeValueMemberM:
			n += 3 + len(v.Value) + size(v.Value)
		}
	}
	return n
}

// units is how many write units an item costs.
func units(i item) int { return (size(i) + unit - 1) / unit }

// update is an UpdateExpression in the making, with the values it uses.
type update struct {
	sets, removes []string
	values        item
}

// set gives an attribute a value, or removes it where there is none.
func (u *update) set(name string, v types.AttributeValue) {
	if v == nil {
		u.removes = append(u.removes, "#"+name)
		return
	}
	u.setTo(name, ":"+name, v)
}

// setTo gives an attribute the value of an expression that may use the placeholder :name for v; nil: it uses none.
func (u *update) setTo(name, expression string, v types.AttributeValue) {
	u.sets = append(u.sets, "#"+name+" = "+expression)
	if v != nil {
		u.value(name, v)
	}
}

// value makes v known as the placeholder :name.
func (u *update) value(name string, v types.AttributeValue) {
	if u.values == nil {
		u.values = item{}
	}
	u.values[":"+name] = v
}

func (u *update) expression() string {
	var parts []string
	if len(u.sets) > 0 {
		parts = append(parts, "SET "+strings.Join(u.sets, ", "))
	}
	if len(u.removes) > 0 {
		parts = append(parts, "REMOVE "+strings.Join(u.removes, ", "))
	}
	return strings.Join(parts, " ")
}

var placeholder = regexp.MustCompile(`#[A-Za-z_]+`)

// namesIn are the attributes that expressions name as #attribute: many are words that DynamoDB reserves.
func namesIn(expressions ...string) map[string]string {
	names := map[string]string{}
	for _, e := range expressions {
		for _, name := range placeholder.FindAllString(e, -1) {
			names[name] = name[1:]
		}
	}
	return names
}
