# Gives tokens to a recipe.
use strict;
use warnings;
use FindBin;
do "$FindBin::Bin/recipe.pl" or $@ and die $@;

$| = 1;
while (my $token = <STDIN>) {
    chomp $token;
    my $claims = eval { verify($token) };
    my $why = $@ =~ s/\n/ /gr;
    print $claims ? "ok $claims->{sub}\n" : "no $why\n";
}
