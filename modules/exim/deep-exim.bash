# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# deep-exim.bash - completion of deep-exim(8) for bash: commands, options, files, and the
# names that the store knows.

_deep_exim()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' i words=''

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c|--config)	((++i)) ;;
		-*)		;;
		*)		command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $before in
	-c|--config)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	esac
	case $command:$current in
	:*)			words='setup undo check --help --version' ;;
	setup:*|undo:*)		words='--yes --dry-run --config' ;;
	check:-*)		words='--config' ;;
	check:*)		words=$(command deeplatch list --name "$current*" 2>/dev/null |
				    awk 'NR > 1 && $1 != last { print last = $1 } NR > 100 { exit }') ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _deep_exim deep-exim
