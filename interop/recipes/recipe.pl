# Runs a recipe of docs/clients.md: see main.go.
use strict;
use warnings;
use Cwd qw(abs_path);
use JSON qw(decode_json);

do(abs_path($ARGV[0])) or !$@ or die $@;
my @accepted;
for my $token (@{ decode_json(do { local $/; <STDIN> }) }) {
    my $good = eval { verify($token)->{sub} =~ /^user_/ };
    warn $@ if $@;
    push @accepted, $good ? 'true' : 'false';
}
print '[', join(',', @accepted), "]\n";
