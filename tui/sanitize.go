package tui

import (
	"reflect"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// clean makes text harmless to a terminal: escape sequences and control characters go, so do the invisible characters
// that reorder or hide text. Audit text is written by whom it is about. Line feeds stay.
func clean(s string) string {
	if harmless(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case unsafeRune(r):
			return -1
		}
		return r
	}, ansi.Strip(strings.ToValidUTF8(s, "\uFFFD")))
}

func harmless(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// unsafeRune says whether a rune moves the cursor, changes the direction of what stands beside it, or cannot be seen.
func unsafeRune(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) ||
		(r >= 0xE0000 && r <= 0xE0FFF)
}

// scrub cleans every string within a value that came from the database or the store, in place. v is a pointer.
func scrub(v any) { scrubValue(reflect.ValueOf(v)) }

func scrubValue(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scrubValue(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() && v.CanSet() {
			held := reflect.New(v.Elem().Type()).Elem()
			held.Set(v.Elem())
			scrubValue(held)
			v.Set(held)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scrubValue(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k >= reflect.Bool && k <= reflect.Complex128 {
			return
		}
		for i := range v.Len() {
			scrubValue(v.Index(i))
		}
	case reflect.Map:
		scrubMap(v)
	case reflect.String:
		if v.CanSet() {
			v.SetString(clean(v.String()))
		}
	default: // numbers and booleans are what they are
	}
}

// scrubMap replaces the entries of a map, keys included.
func scrubMap(v reflect.Value) {
	for _, key := range v.MapKeys() {
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		k.Set(key)
		e.Set(v.MapIndex(key))
		scrubValue(k)
		scrubValue(e)
		v.SetMapIndex(key, reflect.Value{})
		v.SetMapIndex(k, e)
	}
}
