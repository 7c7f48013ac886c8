# What a native command does, tried on the command in use. Prints what fails, and the count.
python=/opt/whisperx/current/launch/python
good=0
check() { if [ "$2" = "$3" ]; then good=$((good + 1)); else echo "$1: '$2', wanted '$3'"; fi; }

mkdir -p trial/here "trial/else where"
cd trial/here || exit 1
echo sound >near.wav
echo far >"../else where/far.wav"
ln -sf "../else where/far.wav" link.wav

check user "$($python -c 'import os; print(os.getuid(), os.getgid())')" "$(id -u) $(id -g)"
check directory "$($python -c 'import os; print(os.getcwd())')" "$(pwd)"
check relative "$($python -c 'import sys; print(open(sys.argv[1]).read())' near.wav)" sound
check outside "$($python -c 'import sys; print(open(sys.argv[1]).read())' "../else where/far.wav")" far
check link "$($python -c 'import sys; print(open(sys.argv[1]).read())' link.wav)" far
echo home >"$HOME/home.wav"
check home "$($python -c 'import sys; print(open(sys.argv[1]).read())' "$HOME/home.wav")" home
check stdin "$(echo words | $python -c 'import sys; print(sys.stdin.read())')" words
$python -c 'import sys; sys.exit(7)'
check exit $? 7
rm -f made
$python -c 'open("made", "w").close()'
check output "$(stat -c %u:%a made)" "$(id -u):$(printf %o $((0666 & ~0$(umask))))"
check confined "$($python -c 'import os
def refused(path):
    try:
        open(path, "w").close()
    except OSError:
        return True
with open("/proc/self/status") as status:
    lines = dict(line.split(":", 1) for line in status)
print(refused("/usr/trial"), int(lines["CapBnd"], 16), lines["NoNewPrivs"].strip())')" "True 0 1"
check model_cache "$($python -c 'import os
open(os.path.join(os.environ["HF_HOME"], "trial"), "w").close()'; ls "$HOME/.cache/huggingface/trial")" \
    "$HOME/.cache/huggingface/trial"
echo "native: $good of 11"
