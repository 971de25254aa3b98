# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# deeplatch.bash - completion of deeplatch(8) for bash: commands, options, what an option
# takes, and the names that the store knows.

_deeplatch_names()		# at most 100 that begin with $1
{
	command deeplatch "${config[@]}" list --name "$1*" 2>/dev/null |
	    awk 'NR > 1 && $1 != last { print last = $1 } NR > 100 { exit }'
}

_deeplatch()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' config=() i words=''
	local latches='tls10 tls11 tls12 tls-cert tls-dane-tlsa tls-nomd5 tls-norc4 tls-pfs'

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-f|--config)	config=(-f "${COMP_WORDS[++i]}") ;;
		-*)		;;
		*)		command=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $before in
	-f|--config|--prometheus)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	--latch|--keep|--only)	words=$latches ;;
	--mode)		words='off observe warn enforce' ;;
	--service)	words='relay submission access inbound' ;;
	--format)	words='json postfix chasquid' ;;
	--bypass)	words='tls-required-no tlsrpt' ;;
	--kind)		words='refused warned contradicted alarm reset exempt unexempt' ;;
	--owner)	mapfile -t COMPREPLY < <(compgen -u -- "$current"); return ;;
	--group)	mapfile -t COMPREPLY < <(compgen -g -- "$current"); return ;;
	--age|--days|--since|--reason|--tls|--host|--name)	return ;;
	*)
		case $command:$current in
		:*)		words='init list show check reset exempt purge export import verify stats
				    log expiry --config --help --version' ;;
		init:-*)	words='--owner --group' ;;
		list:*)		words='--latch --age --mode --required --contradicted --probation --exempt
				    --name --service --json' ;;
		show:-*)	words='--service --json' ;;
		check:-*)	words='--service --tls --cert --dane --no-tlsa --resumed --host --bypass
				    --json' ;;
		reset:-*)	words='--service --keep --only --all --reason --dry-run' ;;
		exempt:-*)	words='--service --reason --json' ;;
		purge:*)	words='--dry-run' ;;
		import:-*)	words='--format --probation --dry-run' ;;
		import:*)	mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
		stats:*)	words='--json --prometheus' ;;
		log:*)		words='--since --kind --name --json' ;;
		expiry:-*)	words='--days' ;;
		expiry:*)	mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
		exempt:*)
			if [ "$before" = exempt ]; then
				words='add remove list'
			else
				words=$(_deeplatch_names "$current")
			fi ;;
		show:*|check:*|reset:*)	words=$(_deeplatch_names "$current") ;;
		esac ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _deeplatch deeplatch
