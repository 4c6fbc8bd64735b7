package dynamo

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item is a row of a table, or a part of one. Attributes whose value is zero are left out: absent means 0, "", none.
type Item = map[string]types.AttributeValue

// MaxItem is how many bytes an item has at most.
const MaxItem = 400 << 10

// unit is how many bytes one write unit is for.
const unit = 1 << 10

// Text is a string.
func Text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// Number is a whole number.
func Number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Binary is bytes.
func Binary(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// Instant is how times are stored: RFC 3339 in UTC with nine digits, so that they compare as strings.
func Instant(t time.Time) types.AttributeValue { return Text(t.UTC().Format(instantLayout)) }

const instantLayout = "2006-01-02T15:04:05.000000000Z"

// Readable is text as a string that a person can read in the console, unless it is none.
func Readable(b []byte) types.AttributeValue {
	if utf8.Valid(b) {
		return Text(string(b))
	}
	return Binary(b)
}

// Optional is a string, nil where it is empty: a value that is to be left out (see Without).
func Optional(s string) types.AttributeValue {
	if s == "" {
		return nil
	}
	return Text(s)
}

// Count is a whole number, nil for 0.
func Count(n int64) types.AttributeValue {
	if n == 0 {
		return nil
	}
	return Number(n)
}

// Moment is an Instant, nil for none.
func Moment(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return nil
	}
	return Instant(t)
}

// Blob is bytes, nil for none.
func Blob(b []byte) types.AttributeValue {
	if len(b) == 0 {
		return nil
	}
	return Binary(b)
}

// Record is v as JSON, nil where there is none. It is not for types that JSON cannot hold.
func Record[T any](v T, none bool) types.AttributeValue {
	if none {
		return nil
	}
	b, _ := json.Marshal(v)
	return Text(string(b))
}

// Without leaves out what has no value.
func Without(i Item) Item {
	for name, v := range i {
		if v == nil {
			delete(i, name)
		}
	}
	return i
}

// Reader takes values out of an item; an attribute that is missing is zero. Its first error stays.
type Reader struct {
	Item Item
	Err  error
}

// Fail keeps the error that an attribute has that value, which nobody expects.
func (r *Reader) Fail(name string, v any) {
	if r.Err == nil {
		r.Err = fmt.Errorf("attribute %s of item %q %q: unexpected %T", name, r.name(), r.Key("sk"), v)
	}
}

// name is the partition key, of whichever table.
func (r *Reader) name() string { return r.Key("pk") + r.Key("id") }

// Key is a string, "" where it is none.
func (r *Reader) Key(name string) string {
	if v, ok := r.Item[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// Text is a string.
func (r *Reader) Text(name string) string {
	switch v := r.Item[name].(type) {
	case nil:
		return ""
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		r.Fail(name, v)
		return ""
	}
}

// Bytes are those of a binary value or of a string.
func (r *Reader) Bytes(name string) []byte {
	switch v := r.Item[name].(type) {
	case nil:
		return nil
	case *types.AttributeValueMemberB:
		return v.Value
	case *types.AttributeValueMemberS:
		return []byte(v.Value)
	default:
		r.Fail(name, v)
		return nil
	}
}

// Number is a whole number.
func (r *Reader) Number(name string) int64 {
	switch v := r.Item[name].(type) {
	case nil:
		return 0
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			r.Fail(name, v.Value)
		}
		return n
	default:
		r.Fail(name, v)
		return 0
	}
}

// Instant is a time as Instant writes it.
func (r *Reader) Instant(name string) time.Time {
	s := r.Text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		r.Fail(name, s)
	}
	return t
}

// Record decodes JSON into v; unknown fields are a later version's.
func (r *Reader) Record(name string, v any) {
	if s := r.Text(name); s != "" {
		if err := json.Unmarshal([]byte(s), v); err != nil && r.Err == nil {
			r.Err = fmt.Errorf("attribute %s of item %q %q: %w", name, r.name(), r.Key("sk"), err)
		}
	}
}

// Size is about what an item counts for against MaxItem, and towards write units.
func Size(i Item) int {
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
			n += 3 + len(v.Value) + Size(v.Value)
		}
	}
	return n
}

// Units is how many write units an item costs.
func Units(i Item) int { return (Size(i) + unit - 1) / unit }

// Update is an UpdateExpression in the making, with the values it uses.
type Update struct {
	Values              Item // by their placeholders
	sets, removes, adds []string
}

// Set gives an attribute a value, or removes it where there is none.
func (u *Update) Set(name string, v types.AttributeValue) {
	if v == nil {
		u.removes = append(u.removes, "#"+name)
		return
	}
	u.SetTo(name, ":"+name, v)
}

// SetTo gives an attribute the value of an expression that may use the placeholder :name for v; nil: it uses none.
func (u *Update) SetTo(name, expression string, v types.AttributeValue) {
	u.sets = append(u.sets, "#"+name+" = "+expression)
	if v != nil {
		u.Value(name, v)
	}
}

// Value makes v known as the placeholder :name.
func (u *Update) Value(name string, v types.AttributeValue) {
	if u.Values == nil {
		u.Values = Item{}
	}
	u.Values[":"+name] = v
}

// Add adds the elements of a set to an attribute, or a number.
func (u *Update) Add(name string, v types.AttributeValue) {
	u.adds = append(u.adds, "#"+name+" :"+name)
	u.Value(name, v)
}

// Expression is the text of it.
func (u *Update) Expression() string {
	var parts []string
	if len(u.sets) > 0 {
		parts = append(parts, "SET "+strings.Join(u.sets, ", "))
	}
	if len(u.removes) > 0 {
		parts = append(parts, "REMOVE "+strings.Join(u.removes, ", "))
	}
	if len(u.adds) > 0 {
		parts = append(parts, "ADD "+strings.Join(u.adds, ", "))
	}
	return strings.Join(parts, " ")
}

var placeholder = regexp.MustCompile(`#[A-Za-z_]+`)

// NamesIn are the attributes that expressions name as #attribute: many are words that DynamoDB reserves.
func NamesIn(expressions ...string) map[string]string {
	names := map[string]string{}
	for _, e := range expressions {
		for _, name := range placeholder.FindAllString(e, -1) {
			names[name] = name[1:]
		}
	}
	return names
}
