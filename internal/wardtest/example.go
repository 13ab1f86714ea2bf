package wardtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// ForExample is New for an Example function, which has no testing.T: what fails panics. end closes what was opened and
// drops the database.
func ForExample(name string) (e *Env, end func()) {
	tb := &exampleTB{name: name}
	return New(tb), tb.end
}

// exampleTB is as much of a testing.TB as this package and pgtest call.
type exampleTB struct {
	testing.TB // nil: a method that is missing here panics

	name    string
	cleanup []func()
}

func (*exampleTB) Helper()                     {}
func (x *exampleTB) Name() string              { return x.name }
func (*exampleTB) Context() context.Context    { return context.Background() }
func (*exampleTB) Failed() bool                { return false }
func (x *exampleTB) Cleanup(f func())          { x.cleanup = append(x.cleanup, f) }
func (*exampleTB) Fatal(args ...any)           { panic(fmt.Sprintln(args...)) }
func (*exampleTB) Fatalf(f string, a ...any)   { panic(fmt.Sprintf(f, a...)) }
func (x *exampleTB) Errorf(f string, a ...any) { x.Fatalf(f, a...) }

func (x *exampleTB) end() {
	for _, f := range slices.Backward(x.cleanup) {
		f()
	}
}
