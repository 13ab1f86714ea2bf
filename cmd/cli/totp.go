package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) totpCmd() *cobra.Command {
	var reason string
	remove := &cobra.Command{
		Use: "remove USER", Short: "End somebody else's second factor, as an administrator", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.RemoveTOTP(cmd.Context(), args[0], reason); err != nil {
					return err
				}
				a.say("second factor of %s ended; its recovery codes too", args[0])
				return nil
			})
		},
	}
	remove.Flags().StringVar(&reason, "reason", "", "why (needed)")
	policy := &cobra.Command{
		Use: "policy optional|required", Short: "Whether reviewers need a second factor", Args: cobra.ExactArgs(1),
		Annotations: audited("configure"),
		Long: `With required, a reviewer's session that has shown no second factor can enrol one and do nothing else.
Enrol yourself first. Providers that vouch for a second factor (ward oidc add --require-amr) count.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.RequireSecondFactor(cmd.Context(), args[0]); err != nil {
					return err
				}
				a.say("a second factor is %s for reviewers", args[0])
				return nil
			})
		},
	}
	return noun("totp", "Second factor: one-time codes (RFC 6238)", a.totpEnrollCmd(), remove, policy)
}

func (a *app) totpEnrollCmd() *cobra.Command {
	var recover bool
	c := &cobra.Command{
		Use: "enroll", Short: "Enrol an authenticator as your second factor", Args: cobra.NoArgs,
		Annotations: audited("configure"),
		Long: `Shows a QR code for an authenticator and asks for the first code that it makes; from then on signing in
asks for one. Prints ten recovery codes, each of which works once in place of a code. With --recovery it asks for one
of those first and replaces the authenticator.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				var recovery string
				if recover {
					var err error
					if recovery, err = a.password("A recovery code"); err != nil {
						return err
					}
				}
				return a.enroll(cmd, s, recovery)
			})
		},
	}
	c.Flags().BoolVar(&recover, "recovery", false, "replace an authenticator, with a recovery code")
	return c
}

func (a *app) enroll(cmd *cobra.Command, s *tenancy.Session, recovery string) error {
	e, err := s.EnrollTOTP(cmd.Context(), recovery)
	if err != nil {
		return err
	}
	picture, err := qrText(e.URI)
	if err != nil {
		return err
	}
	a.say("%s\nScan this with an authenticator, or type the secret into it: %s\n%s", picture, e.Secret, e.URI)
	code, err := a.password("The code that it shows now")
	if err != nil {
		return err
	}
	codes, err := s.ConfirmTOTP(cmd.Context(), code)
	if err != nil {
		return err
	}
	a.say("Enrolled. Ten recovery codes follow; each works once in place of a code. " +
		"Keep them apart from the authenticator: they are not shown again.")
	if _, err := fmt.Fprintln(a.Out, strings.Join(codes, "\n")); err != nil {
		return fmt.Errorf("write recovery codes: %w", err)
	}
	return nil
}

// qrText draws a QR code with half blocks, two rows a line, in black on white whatever the terminal's colours are,
// since a camera wants it that way. Four modules of margin belong to it.
func qrText(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", fmt.Errorf("draw QR code: %w", err)
	}
	const margin = 4
	var b strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -margin; x < code.Size+margin; x++ {
			b.WriteString([]string{" ", "▀", "▄", "█"}[module(code, x, y)+2*module(code, x, y+1)])
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}

// module is 1 for a black one. Outside the code all are white.
func module(code *qr.Code, x, y int) int {
	if x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y) {
		return 1
	}
	return 0
}
